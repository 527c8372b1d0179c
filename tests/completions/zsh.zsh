# Loads the completion FILE into an interactive zsh on a terminal of its own, types the words,
# presses the tab key, and prints what was offered.
zmodload zsh/zpty
export DIRECTORY=${1:h} OFFERED=$(mktemp)
shift

# Reads what the terminal shows until $OFFERED ends with this word.
await() {
    for ((n = 0; n < 3000; n++)); do
        [[ $(<$OFFERED) == *$1 ]] && return
        zpty -r -t typist shown
        sleep 0.02
    done
    print -u2 -r "zsh did not answer: $shown"
    rm -f $OFFERED
    exit 1
}

zpty typist zsh -f -i
zpty -w typist "source ${(q)0:A:h}/zsh-typist.zsh"
# Typed too early, the words would go to a shell that is not ready for them.
await ready
: >$OFFERED
zpty -n -w typist "$*"$'\t'
await done
grep -vx done $OFFERED
rm -f $OFFERED
