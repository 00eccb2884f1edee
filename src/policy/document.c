/*
 * document.c - a text as one YAML document. libyaml stops at the first thing that is no YAML, so
 * then there is one problem.
 */
#include "policy/load.h"

static void
yaml_problem(struct bs_load *l, const yaml_parser_t *parser)
{
    bs_load_problem(l, (int)parser->problem_mark.line + 1, "not YAML: %s",
                    parser->problem == NULL ? "unreadable" : parser->problem);
}

/* True where nothing comes after the document. */
static bool
is_last(struct bs_load *l, yaml_parser_t *parser)
{
    yaml_document_t more;
    bool last;

    if (yaml_parser_load(parser, &more) == 0) {
        yaml_problem(l, parser);
        return false;
    }
    last = yaml_document_get_root_node(&more) == NULL;
    if (!last)
        bs_load_problem(l, bs_load_line(yaml_document_get_root_node(&more)),
                        "a second document starts here; the file must have one");
    yaml_document_delete(&more);
    return last;
}

void
bs_load_document(struct bs_load *l, struct bs_bytes text, void (*read)(struct bs_load *l))
{
    yaml_parser_t parser;

    if (yaml_parser_initialize(&parser) == 0) {
        bs_load_problem(l, 0, "no memory for the parser");
        return;
    }
    yaml_parser_set_input_string(&parser, text.n == 0 ? (const uint8_t *)"" : text.p, text.n);
    if (yaml_parser_load(&parser, &l->doc) == 0) {
        yaml_problem(l, &parser);
    } else {
        if (is_last(l, &parser))
            read(l);
        yaml_document_delete(&l->doc);
    }
    yaml_parser_delete(&parser);
}
