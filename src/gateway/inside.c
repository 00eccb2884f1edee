/*
 * inside.c - a folder that only we can enter, a peer that must be this very process, and a word that
 * counts once: each alone would do on a machine that is set up as it should be.
 */
#include "gateway/inside.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"

#define BACKLOG 256

struct coming {
    char word[BS_INSIDE_WORD];
    char *client;
    const char *by;
    struct coming *next;
};

struct bs_inside {
    pthread_mutex_t lock;
    struct coming *coming;
    struct sockaddr_un at;
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* In the first of these where the name of the socket has room. */
static bool
make_folder(struct bs_inside *in)
{
    const char *const places[] = {getenv("RUNTIME_DIRECTORY"), getenv("TMPDIR"), "/tmp"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int n;
        if (places[i] == NULL || places[i][0] != '/' || strchr(places[i], ':') != NULL)
            continue;
        n = snprintf(in->folder, sizeof(in->folder), "%s/backstop-XXXXXX", places[i]);
        if (n > 0 && (size_t)n + sizeof("/.s.PGSQL.65535") < sizeof(in->at.sun_path) &&
            mkdtemp(in->folder) != NULL) /* mode 0700 */
            return true;
    }
    in->folder[0] = '\0';
    return false;
}

static int
listen_there(struct bs_inside *in)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    size_t n = strlen(in->folder);

    if (fd < 0)
        return -1;
    in->at = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(in->at.sun_path, in->folder, n);
    (void)snprintf(in->at.sun_path + n, sizeof(in->at.sun_path) - n, "/.s.PGSQL.%d",
                   BS_INSIDE_PORT);
    if (bind(fd, (const struct sockaddr *)&in->at, sizeof(in->at)) == 0 &&
        chmod(in->at.sun_path, 0600) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

enum bs_done
bs_inside_open(struct bs_inside **out, int *fd, struct bs_err *err)
{
    struct bs_inside *in = bs_malloc(sizeof(*in));

    bs_assert(pthread_mutex_init(&in->lock, NULL) == 0);
    *fd = make_folder(in) ? listen_there(in) : -1;
    if (*fd < 0) {
        (void)BS_FAIL(err, UNAVAILABLE, "agents_http: cannot make a socket of our own: %s",
                      strerror(errno));
        bs_inside_close(&in);
        return BS_FAILED;
    }
    *out = in;
    return BS_DONE;
}

static void
coming_free(struct coming *c)
{
    bs_wipe(c->word, sizeof(c->word));
    free(c->client);
    free(c);
}

void
bs_inside_close(struct bs_inside **inside)
{
    struct bs_inside *in = *inside;

    *inside = NULL;
    if (in == NULL)
        return;
    if (in->at.sun_path[0] != '\0')
        (void)unlink(in->at.sun_path);
    if (in->folder[0] != '\0')
        (void)rmdir(in->folder);
    while (in->coming != NULL) {
        struct coming *c = in->coming;
        in->coming = c->next;
        coming_free(c);
    }
    (void)pthread_mutex_destroy(&in->lock);
    free(in);
}

const char *
bs_inside_folder(const struct bs_inside *inside)
{
    return inside->folder;
}

void
bs_inside_announce(struct bs_inside *inside,
                   const char *client,
                   const char *by,
                   char word[BS_INSIDE_WORD])
{
    struct coming *c = bs_malloc(sizeof(*c));
    uint8_t bytes[(BS_INSIDE_WORD - 1) / 2];

    bs_random(bytes, sizeof(bytes));
    bs_hex(bytes, sizeof(bytes), c->word);
    memcpy(word, c->word, BS_INSIDE_WORD);
    c->client = bs_strdup(client);
    c->by = by;
    pthread_mutex_lock(&inside->lock);
    c->next = inside->coming;
    inside->coming = c;
    pthread_mutex_unlock(&inside->lock);
}

/* Takes it out of the list; NULL: it is not there. */
static struct coming *
find(struct bs_inside *in, const char *word)
{
    struct coming **at = &in->coming, *c;

    while (*at != NULL && !bs_bytes_equal_secret(bs_bytes_of((*at)->word), bs_bytes_of(word)))
        at = &(*at)->next;
    c = *at;
    if (c != NULL)
        *at = c->next;
    return c;
}

static struct coming *
take(struct bs_inside *in, const char *word)
{
    struct coming *c;

    pthread_mutex_lock(&in->lock);
    c = find(in, word);
    pthread_mutex_unlock(&in->lock);
    return c;
}

void
bs_inside_forget(struct bs_inside *inside, const char *word)
{
    struct coming *c = take(inside, word);

    if (c != NULL)
        coming_free(c);
}

char *
bs_inside_take(struct bs_inside *inside, const char *word, const char **by)
{
    struct coming *c = take(inside, word);
    char *client;

    if (c == NULL)
        return NULL;
    client = c->client;
    *by = c->by;
    c->client = NULL;
    coming_free(c);
    return client;
}

bool
bs_inside_is_ours(int fd)
{
#ifdef SO_PEERCRED
    struct ucred peer = {0};
    socklen_t n = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid == getpid();
#else
    (void)fd; /* the folder is ours alone, and the word is not told */
    return true;
#endif
}
