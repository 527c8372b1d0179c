# bash completion for virt-9p                                       -*- shell-script -*-
# Installed as /usr/share/bash-completion/completions/virt-9p. Needs nothing of bash-completion.

# The options of a command.
_virt_9p_options() {
    case $1 in
        check)
            echo --format --strict --fix --diff --output --in-place \
                --libvirt --qemu --no-host
            ;;
        rules) echo --libvirt --qemu --no-host ;;
        convert)
            echo --to --target --fmode --dmode --device --keep-address --diff --output --in-place \
                --libvirt --qemu --no-host
            ;;
        doctor) echo --format ;;
    esac
    echo --root --color --help
}

_virt_9p() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' at
    COMPREPLY=()

    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
            --root | --color) ((at++)) ;;
            -*) ;;
            *)
                command=${COMP_WORDS[at]}
                break
                ;;
        esac
    done

    case $before in
        --root)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
            ;;
        --color)
            mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$word")
            return
            ;;
        --format | --device)
            mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$word")
            return
            ;;
        --to)
            mapfile -t COMPREPLY < <(compgen -W 'native commandline' -- "$word")
            return
            ;;
        --fmode)
            mapfile -t COMPREPLY < <(compgen -W '0600 0640 0644 0660 0664' -- "$word")
            return
            ;;
        --dmode)
            mapfile -t COMPREPLY < <(compgen -W '0700 0750 0755 0770 0775' -- "$word")
            return
            ;;
        --libvirt | --qemu | --target) return ;;
    esac

    if [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W \
            'check rules convert doctor explain hook help --root --color --help --version' -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_virt_9p_options "$command")" -- "$word")
    else
        case $command in
            help)
                mapfile -t COMPREPLY < <(compgen -W \
                    'check rules convert doctor explain hook' -- "$word")
                ;;
            explain)
                # The program knows its findings best.
                mapfile -t COMPREPLY < <(compgen -W \
                    "$("${COMP_WORDS[0]}" explain 2>/dev/null | cut -d ' ' -f 1)" -- "$word")
                ;;
            check | rules | convert | doctor)
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                # With nothing typed yet, the guests that libvirt knows.
                if [[ -z $word ]]; then
                    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -G '/etc/libvirt/qemu/*.xml')
                fi
                ;;
        esac
    fi
}

complete -F _virt_9p virt-9p
