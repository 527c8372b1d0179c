"""Runs commands in turns and prints a table: median wall time beside that of the first command."""
import os
import shlex
import shutil
import statistics
import sys
import time

cases = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
rounds = int(sys.argv[2])
old, profile = sys.argv[3:5]
null = os.open(os.devnull, os.O_WRONLY)
environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
times: list[list[float]] = [[] for _ in cases]


def run(command: str, stdin: str) -> float:
    words = shlex.split(command)
    program = shutil.which(words[0])
    with open(stdin) as file:
        actions = [
            (os.POSIX_SPAWN_DUP2, file.fileno(), 0),
            (os.POSIX_SPAWN_DUP2, null, 1),
            (os.POSIX_SPAWN_DUP2, null, 2),
        ]
        begun = time.perf_counter()
        child = os.posix_spawn(program, words, environment, file_actions=actions)
        _, status = os.waitpid(child, 0)
        took = time.perf_counter() - begun
    if status:
        sys.exit(f"{command} ends with {os.waitstatus_to_exitcode(status)}")
    return took


for turn in range(-3, rounds):
    for (name, command, stdin, count), taken in zip(cases, times):
        # What is slow needs fewer turns.
        if turn > 20 and not count and turn % 10:
            continue
        if name.endswith(" changed"):
            shutil.copy(old, profile)
        took = run(command, stdin)
        if turn >= 0:
            taken.append(took)

medians = [statistics.median(taken) for taken in times]
print("| | time, empty program = 1 | instructions, empty program = 1 | median |")
print("|---|---:|---:|---:|")
for (name, _, _, count), median in zip(cases, medians):
    ratio = f"{int(count) / int(cases[0][3]):.2f}" if count else ""
    print(f"| {name} | {median / medians[0]:.2f} | {ratio} | {median * 1000:.2f} ms |")
