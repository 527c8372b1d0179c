# Loads the completion FILE and prints what bash would offer for the last of the words.
source "$1"
shift
read -r _ _ function _ < <(complete -p virt-9p)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"$function" virt-9p "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
