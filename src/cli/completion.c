/* Completion scripts, from the command table. They know words, options and choices; they never
 * ask the server, so that the tab key is fast and works offline. */
#include <string.h>

#include "cli/command.h"
#include "os/manual.h"

static bool first_of_noun(size_t index)
{
    return index == 0 || strcmp(commands[index].noun, commands[index - 1].noun) != 0;
}

static void print_nouns(FILE *to)
{
    for (size_t i = 0; i < commands_count; i++)
        if (first_of_noun(i))
            (void)fprintf(to, "%s%s", i ? " " : "", commands[i].noun);
}

static void print_options(FILE *to, const struct option_spec *table, size_t count)
{
    char option[MANUAL_OPTION_SIZE];

    for (size_t i = 0; i < count; i++)
        (void)fprintf(to, " %s", manual_option(&table[i], option));
}

static bool has_choices(const struct option_spec *spec)
{
    return spec->kind == OPTION_TEXT && spec->unit && strchr(spec->unit, '|');
}

/* "a|b|c" as "a b c". */
static void print_choices(FILE *to, const char *choices)
{
    for (; *choices != '\0'; choices++)
        (void)fputc(*choices == '|' ? ' ' : *choices, to);
}

/* What may follow an option: its choices, a file, or nothing that we know. Options of the same
 * name may differ between commands, so the case is on "NOUN VERB --option". */
static void bash_option(FILE *to, const char *prefix, const struct option_spec *spec)
{
    char option[MANUAL_OPTION_SIZE];

    if (spec->kind == OPTION_FLAG)
        return;
    (void)fprintf(to, "    %s%s)", prefix, manual_option(spec, option));
    if (has_choices(spec)) {
        (void)fputs(" words=\"", to);
        print_choices(to, spec->unit);
        (void)fputs("\" ;;\n", to);
    } else if (spec->kind == OPTION_PATH || (spec->unit && strcmp(spec->unit, "FILE") == 0)) {
        (void)fputs(" files=1 ;;\n", to);
    } else {
        (void)fputs(" ;;\n", to);
    }
}

static void bash_prefix(char *to, size_t size, const struct command *command)
{
    (void)snprintf(to, size, "'%s%s%s '", command->noun, command->verb ? " " : "",
                   command->verb ? command->verb : "");
}

static void bash_values(FILE *to)
{
    char prefix[64];

    (void)fputs("  case \"$noun${verb:+ $verb} $previous\" in\n", to);
    for (size_t i = 0; i < commands_count; i++) {
        bash_prefix(prefix, sizeof prefix, &commands[i]);
        for (size_t k = 0; k < commands[i].option_count; k++)
            bash_option(to, prefix, &commands[i].options[k]);
    }
    for (size_t i = 0; i < global_options_count; i++)
        bash_option(to, "*", &global_options[i]);
    (void)fputs("    *) known=0 ;;\n  esac\n", to);
}

static void bash_verbs(FILE *to)
{
    (void)fputs("  case \"$noun\" in\n    '') words=\"", to);
    print_nouns(to);
    (void)fputs(" help\" ;;\n", to);
    for (size_t i = 0; i < commands_count; i++) {
        if (!commands[i].verb)
            continue;
        if (first_of_noun(i))
            (void)fprintf(to, "    %s) words=\"", commands[i].noun);
        (void)fprintf(to, "%s%s", first_of_noun(i) ? "" : " ", commands[i].verb);
        if (i + 1 == commands_count || first_of_noun(i + 1))
            (void)fputs("\" ;;\n", to);
    }
    (void)fputs("  esac\n", to);
}

static void bash_words(FILE *to)
{
    char prefix[64];

    (void)fputs("  case \"$noun${verb:+ $verb} \" in\n", to);
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands[i];

        bash_prefix(prefix, sizeof prefix, command);
        (void)fprintf(to, "    %s) options=\"", prefix);
        print_options(to, command->options, command->option_count);
        (void)fputs("\"", to);
        if (command->args_are_files)
            (void)fputs(" files=1", to);
        if (strchr(command->args, '|')) {
            (void)fputs(" words=\"", to);
            print_choices(to, command->args);
            (void)fputs("\"", to);
        }
        (void)fputs(" ;;\n", to);
    }
    (void)fputs("  esac\n", to);
}

void command_complete_bash(FILE *to)
{
    (void)fputs("# bash completion for slipway; made by slipway completion bash.\n"
                "_slipway_verbs=\" ",
                to);
    for (size_t i = 0; i < commands_count; i++)
        if (first_of_noun(i) && commands[i].verb)
            (void)fprintf(to, "%s ", commands[i].noun);
    (void)fputs("\"\n_slipway() {\n"
                "  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                "  local noun= verb= words= options= files=0 known=1 i\n"
                "  COMPREPLY=()\n"
                "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "    case ${COMP_WORDS[i]} in\n"
                "    --server|--ca|--token-file|--context|--output|-o) ((i++)) ;;\n"
                "    -*|help) ;;\n"
                "    *) if [[ -z $noun ]]; then noun=${COMP_WORDS[i]}\n"
                "       elif [[ -z $verb && $_slipway_verbs == *\" $noun \"* ]]; then "
                "verb=${COMP_WORDS[i]}; fi ;;\n"
                "    esac\n"
                "  done\n",
                to);
    bash_values(to);
    (void)fputs("  if ((known == 0)); then\n"
                "    if [[ -z $noun || ( -z $verb && $_slipway_verbs == *\" $noun \"* ) ]]; then\n",
                to);
    bash_verbs(to);
    (void)fputs("    else\n", to);
    bash_words(to);
    (void)fputs("    fi\n    if [[ $word == -* ]]; then words=\"$options", to);
    print_options(to, global_options, global_options_count);
    (void)fputs(" --help\"; files=0; fi\n  fi\n"
                "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                "  if ((files == 1)); then COMPREPLY+=($(compgen -f -- \"$word\")); fi\n"
                "}\ncomplete -o filenames -F _slipway slipway\n",
                to);
}

/* ---- zsh ---- */

/* Inside single quotes and _arguments' brackets: ' ends the quote, [ ] and : are syntax. */
static void zsh_text(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            (void)fputs("'\\''", to);
        else if (strchr("[]:\\", *text))
            (void)fprintf(to, "\\%c", *text);
        else
            (void)fputc(*text, to);
    }
}

static void zsh_option(FILE *to, const struct option_spec *spec)
{
    char option[MANUAL_OPTION_SIZE];

    (void)fprintf(to, " \\\n      '%s%s[", spec->kind == OPTION_LIST ? "*" : "",
                  manual_option(spec, option));
    zsh_text(to, spec->help);
    (void)fputs("]", to);
    if (spec->kind != OPTION_FLAG) {
        (void)fputs(":", to);
        if (has_choices(spec)) {
            (void)fputs("word:(", to);
            print_choices(to, spec->unit);
            (void)fputs(")", to);
        } else {
            zsh_text(to, spec->unit ? spec->unit : "value");
            if (spec->kind == OPTION_PATH || (spec->unit && strcmp(spec->unit, "FILE") == 0))
                (void)fputs(":_files", to);
            else
                (void)fputs(": ", to);
        }
    }
    (void)fputs("'", to);
}

static void zsh_command(FILE *to, const struct command *command)
{
    (void)fprintf(to, "    '%s%s%s') _arguments", command->noun, command->verb ? " " : "",
                  command->verb ? command->verb : "");
    for (size_t i = 0; i < command->option_count; i++)
        zsh_option(to, &command->options[i]);
    for (size_t i = 0; i < global_options_count; i++)
        zsh_option(to, &global_options[i]);
    if (command->args_are_files)
        (void)fputs(" \\\n      '*:file:_files'", to);
    else if (strchr(command->args, '|')) {
        (void)fputs(" \\\n      ':word:(", to);
        print_choices(to, command->args);
        (void)fputs(")'", to);
    }
    (void)fputs(" ;;\n", to);
}

static void zsh_verbs(FILE *to, size_t index)
{
    const char *noun = commands[index].noun;

    (void)fprintf(to, "    %s) words=(", noun);
    for (; index < commands_count && strcmp(commands[index].noun, noun) == 0; index++) {
        (void)fprintf(to, " '%s:", commands[index].verb);
        zsh_text(to, commands[index].help);
        (void)fputs("'", to);
    }
    (void)fputs(" ); _describe verb words ;;\n", to);
}

void command_complete_zsh(FILE *to)
{
    (void)fputs("#compdef slipway\n"
                "# zsh completion for slipway; made by slipway completion zsh.\n"
                "_slipway() {\n  local -a words_typed words\n"
                "  local noun=${words[2]} verb=${words[3]} nouns='",
                to);
    print_nouns(to);
    (void)fputs("'\n  if ((CURRENT == 2)); then _values noun ${=nouns}; return; fi\n"
                "  if ((CURRENT == 3)); then\n    case $noun in\n",
                to);
    for (size_t i = 0; i < commands_count; i++)
        if (first_of_noun(i) && commands[i].verb)
            zsh_verbs(to, i);
    (void)fputs("    esac\n    case $noun in", to);
    for (size_t i = 0, count = 0; i < commands_count; i++)
        if (!commands[i].verb)
            (void)fprintf(to, "%s%s", count++ ? "|" : " ", commands[i].noun);
    (void)fputs(") ;; *) return ;; esac\n  fi\n  case $noun in", to);
    for (size_t i = 0, count = 0; i < commands_count; i++)
        if (!commands[i].verb)
            (void)fprintf(to, "%s%s", count++ ? "|" : " ", commands[i].noun);
    (void)fputs(") ;;\n    *) noun=\"$noun $verb\"; shift words; ((CURRENT--)) ;;\n  esac\n"
                "  shift words; ((CURRENT--))\n  case $noun in\n",
                to);
    for (size_t i = 0; i < commands_count; i++)
        zsh_command(to, &commands[i]);
    (void)fputs("  esac\n}\n_slipway \"$@\"\n", to);
}
