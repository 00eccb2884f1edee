/*
 * s3_xml.c - a path that grows and shrinks with the elements, and the text of the innermost one.
 */
#include "storage/s3_xml.h"

#include <expat.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { DEPTH_MAX = 8, PATH_BYTES = 256 };

struct reader {
    XML_Parser parser;
    bs_s3_xml_visit visit;
    void *ctx;
    struct bs_err *err;
    int depth;
    char path[PATH_BYTES];
    size_t n_text;
    char text[BS_S3_XML_TEXT];
};

static void
refuse(struct reader *r, const char *why)
{
    (void)BS_FAIL(r->err, DATA, "the store's XML has %s", why);
    (void)XML_StopParser(r->parser, XML_FALSE);
}

static void XMLCALL
on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = ctx;
    size_t used = strlen(r->path), n = strlen(name);

    (void)attributes;
    if (r->depth == DEPTH_MAX || used + n + 2 > PATH_BYTES) {
        refuse(r, "too many elements in each other");
        return;
    }
    (void)snprintf(r->path + used, PATH_BYTES - used, "%s%s", used == 0 ? "" : "/", name);
    r->depth++;
    r->n_text = 0;
}

static void XMLCALL
on_end(void *ctx, const XML_Char *name)
{
    struct reader *r = ctx;
    char *slash = strrchr(r->path, '/');

    (void)name;
    r->text[r->n_text] = '\0';
    if (r->visit(r->ctx, r->path, r->text, r->err) != BS_DONE)
        (void)XML_StopParser(r->parser, XML_FALSE);
    *(slash == NULL ? r->path : slash) = '\0';
    r->depth--;
    r->n_text = 0;
}

static void XMLCALL
on_text(void *ctx, const XML_Char *text, int n)
{
    struct reader *r = ctx;

    if ((size_t)n >= sizeof(r->text) - r->n_text) {
        refuse(r, "a text that is too long");
        return;
    }
    memcpy(r->text + r->n_text, text, (size_t)n);
    r->n_text += (size_t)n;
}

/* No S3 answer has one; with it come entities, which are what makes XML dangerous. */
static void XMLCALL
on_doctype(
    void *ctx, const XML_Char *name, const XML_Char *system, const XML_Char *id, int internal)
{
    (void)name;
    (void)system;
    (void)id;
    (void)internal;
    refuse(ctx, "a document type");
}

enum bs_done
bs_s3_xml_read(struct bs_bytes xml, bs_s3_xml_visit visit, void *ctx, struct bs_err *err)
{
    struct reader *r = bs_malloc(sizeof(*r));
    enum XML_Status status;
    enum XML_Error why;

    r->parser = XML_ParserCreate("UTF-8");
    bs_assert(r->parser != NULL);
    r->visit = visit;
    r->ctx = ctx;
    r->err = err;
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    bs_assert(xml.n <= INT_MAX);
    status = XML_Parse(r->parser, (const char *)xml.p, (int)xml.n, XML_TRUE);
    why = XML_GetErrorCode(r->parser);
    if (status != XML_STATUS_OK) /* what we said ourselves comes first and wins */
        (void)BS_FAIL(err, DATA, "the store's answer is not XML: %s", XML_ErrorString(why));
    XML_ParserFree(r->parser);
    free(r);
    return status == XML_STATUS_OK ? BS_DONE : BS_FAILED;
}

struct wanted {
    const char *path;
    char *out;
    size_t size;
    bool seen, found;
};

static enum bs_done
keep_first(void *ctx, const char *path, const char *text, struct bs_err *err)
{
    struct wanted *w = ctx;

    (void)err;
    if (w->seen || strcmp(path, w->path) != 0)
        return BS_DONE;
    w->seen = true;
    w->found = strlen(text) < w->size;
    if (w->found)
        memcpy(w->out, text, strlen(text) + 1);
    return BS_DONE;
}

bool
bs_s3_xml_find(struct bs_bytes xml, const char *path, char *out, size_t size)
{
    struct wanted w = {path, out, size, false, false};
    struct bs_err err = {0};

    out[0] = '\0';
    if (bs_s3_xml_read(xml, keep_first, &w, &err) == BS_DONE && w.found)
        return true;
    out[0] = '\0';
    return false;
}
