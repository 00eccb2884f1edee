/*
 * cmd_completion.c - for shells. The scripts know no verb: they ask this program, which knows them all.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"

static const struct {
    const char *shell, *script;
} shells[] = {
    {"bash", "_backstop() {\n"
             "    local IFS=$'\\n' current=${COMP_WORDS[COMP_CWORD]}\n"
             "    COMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" completion words "
             "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\" 2>/dev/null |\n"
             "        cut -f 1)\" -- \"$current\"))\n"
             "}\n"
             "complete -o default -F _backstop backstop\n"},
    {"zsh", "#compdef backstop\n"
            "_backstop() {\n"
            "    local line\n"
            "    local -a found\n"
            "    for line in ${(f)\"$($words[1] completion words ${words[2,CURRENT-1]} "
            "2>/dev/null)\"}; do\n"
            "        found+=(\"${line%%$'\\t'*}:${line#*$'\\t'}\")\n"
            "    done\n"
            "    _describe backstop found || _files\n"
            "}\n"
            "compdef _backstop backstop\n"},
    {"fish", "complete -c backstop -a "
             "'(set -l words (commandline -opc); $words[1] completion words $words[2..] "
             "2>/dev/null)'\n"},
};

int
bs_cmd_completion(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "completion",
        .operands = "SHELL",
        .summary = "print what makes bash, zsh or fish complete words of this program",
        .min = 1,
        .max = 1,
        .examples = "  source <(backstop completion bash)\n"
                    "  backstop completion zsh > /usr/local/share/zsh/site-functions/_backstop\n"
                    "  backstop completion fish > ~/.config/fish/completions/backstop.fish\n",
        .without_config = true,
    };
    struct bs_args got;

    /* Of the scripts: the words so far, as they are. */
    if (argc > 1 && strcmp(argv[1], "words") == 0) {
        bs_args_complete();
        return bs_cmd_run(argc - 1, argv + 1);
    }
    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(shells[i].shell, got.operands[0]) == 0)
            return fputs(shells[i].script, stdout) < 0;
    }
    return bs_out_usage("completion", "there is none for \"%.40s\": bash, zsh or fish",
                        got.operands[0]);
}
