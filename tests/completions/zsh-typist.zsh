# What the interactive zsh of zsh.zsh is told first: load the completions of $DIRECTORY, and write
# what is offered into $OFFERED.
PS1= TERM=dumb
fpath=($DIRECTORY $fpath)
autoload -Uz compinit && compinit -u -D

compadd() {
    # Calls that only ask offer nothing.
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a offered_here
    builtin compadd -A offered_here "$@"
    (($#offered_here)) && print -rl -- $offered_here >>$OFFERED
    builtin compadd "$@"
}

press() {
    zle complete-word
    print done >>$OFFERED
    exit
}
zle -N press
bindkey '^I' press
print ready >>$OFFERED
