/**
 * The scripts that `lbctl completion SHELL` prints. They know nothing of lbctl but the hidden command
 * `__complete`, which answers one candidate a line (value, tab, description) and `:files` where the shell
 * should offer files; so they stay right when lbctl changes.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const BASH = String.raw`# bash completion for lbctl: source <(lbctl completion bash)
_lbctl() {
	local rest="\${COMP_LINE:0:COMP_POINT}" index word
	local -a words=()
	# Bash splits at : and = too; join again what stands together.
	for ((index = 0; index <= COMP_CWORD; index++)); do
		word="\${COMP_WORDS[index]}"
		((index == COMP_CWORD)) && word="\${rest#"\${rest%%[![:space:]]*}"}"
		if ((index == 0)) || [[ "$rest" == [[:space:]]* ]]; then
			rest="\${rest#"\${rest%%[![:space:]]*}"}"
			words+=("$word")
		else
			words[-1]+="$word"
		fi
		rest="\${rest#"$word"}"
	done
	local current="\${words[-1]}" line value
	# Only what stands behind the last break is replaced.
	local kept="\${current%"\${current##*[:=]}"}"
	COMPREPLY=()
	while IFS= read -r line; do
		if [[ "$line" == ":files" ]]; then
			compopt -o default 2>/dev/null
			return
		fi
		value="\${line%%$'\t'*}"
		[[ -n "$value" ]] && COMPREPLY+=("\${value#"$kept"}")
	done < <("\${words[0]/#\~/$HOME}" __complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _lbctl lbctl
`.replaceAll('\\$', '$');

const ZSH = String.raw`#compdef lbctl
# zsh completion for lbctl: source <(lbctl completion zsh), or a file _lbctl in a directory of $fpath
_lbctl() {
	local line value description
	local -a candidates
	while IFS= read -r line; do
		if [[ "$line" == ":files" ]]; then
			_files
			return
		fi
		value="\${line%%$'\t'*}"
		description="\${line#*$'\t'}"
		[[ -n "$value" ]] && candidates+=("\${value//:/\\:}:$description")
	done < <("\${words[1]/#\~/$HOME}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
	_describe -t values lbctl candidates
}
if [[ "\${funcstack[1]}" == "_lbctl" ]]; then
	_lbctl "$@"
else
	compdef _lbctl lbctl
fi
`.replaceAll('\\$', '$');

const FISH = `# fish completion for lbctl: lbctl completion fish | source
function __lbctl_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c lbctl -f -a '(__lbctl_complete)'
`;

export function shellScript(shell: Shell): string {
  return { bash: BASH, zsh: ZSH, fish: FISH }[shell];
}
