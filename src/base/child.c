/*
 * child.c - posix_spawn with a signal mask and environment of its own.
 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

extern char **environ;

/* Takes entry over. */
static void
add_entry(struct bs_env *e, char *entry)
{
    e->list = bs_realloc(e->list, (e->n + 2) * sizeof(*e->list));
    e->list[e->n++] = entry;
    e->list[e->n] = NULL;
}

void
bs_env_add(struct bs_env *e, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *entry = bs_malloc(size);

    (void)snprintf(entry, size, "%s=%s", name, value);
    add_entry(e, entry);
}

void
bs_env_fini(struct bs_env *e)
{
    for (size_t i = 0; i < e->n; i++) {
        bs_wipe(e->list[i], strlen(e->list[i]));
        free(e->list[i]);
    }
    free(e->list);
    *e = (struct bs_env){0};
}

/* Ours without any PG*: what the daemon was started with must not redirect a dump. */
static void
env_inherit(struct bs_env *e)
{
    bs_env_add(e, "LC_ALL", "C");
    for (char **p = environ; *p != NULL; p++) {
        if (strncmp(*p, "PG", 2) != 0 && strncmp(*p, "LC_", 3) != 0 && strncmp(*p, "LANG", 4) != 0)
            add_entry(e, bs_strdup(*p));
    }
}

static void
env_join(struct bs_env *e, const struct bs_env *more)
{
    for (size_t i = 0; more != NULL && i < more->n; i++)
        add_entry(e, bs_strdup(more->list[i]));
}

static void
close_pair(int pair[2])
{
    if (pair[0] >= 0)
        close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
}

/* Runs it with these ends as standard output and error; 0, or an errno. */
static int
spawn(pid_t *pid, char *const *argv, char **envp, int out, int err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, pipe;
    int bad;

    (void)sigemptyset(&none);
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&files, out, 1);
    (void)posix_spawn_file_actions_adddup2(&files, err, 2);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &pipe);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    bad = posix_spawn(pid, argv[0], &files, &attr, argv, envp);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&files);
    return bad;
}

enum bs_done
bs_child_start(struct bs_child *c,
               char *const *argv,
               const struct bs_env *more,
               enum bs_code code,
               struct bs_err *err)
{
    struct bs_env env = {0};
    int out[2] = {-1, -1}, say[2] = {-1, -1}, bad = 0;
    pid_t pid = 0;

    *c = (struct bs_child){0};
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(say, O_CLOEXEC) != 0)
        bad = errno;
    if (bad == 0) {
        env_inherit(&env);
        env_join(&env, more);
        bad = spawn(&pid, argv, env.list, out[1], say[1]);
        bs_env_fini(&env);
    }
    if (bad != 0) {
        close_pair(out);
        close_pair(say);
        return bs_err_set(err, code, "cannot run \"%.300s\": %s", argv[0], strerror(bad));
    }
    close(out[1]);
    close(say[1]);
    *c = (struct bs_child){.pid = pid, .out = out[0], .err = say[0], .code = code};
    return BS_DONE;
}

/* Takes what standard error has; keeps its beginning. False at its end. */
static bool
listen_to(struct bs_child *c)
{
    char piece[512];
    ssize_t got = read(c->err, piece, sizeof(piece));
    size_t room = sizeof(c->said) - 1 - c->n_said;

    if (got <= 0)
        return got < 0 && errno == EINTR;
    if ((size_t)got < room)
        room = (size_t)got;
    memcpy(c->said + c->n_said, piece, room);
    c->n_said += room;
    return true;
}

/* True while standard output goes on; false at its end. *done turns FAILED where the sink says. */
static bool
take_output(
    struct bs_child *c, bs_child_sink sink, void *ctx, enum bs_done *done, struct bs_err *err)
{
    uint8_t piece[65536];
    ssize_t got = read(c->out, piece, sizeof(piece));

    if (got <= 0)
        return got < 0 && errno == EINTR;
    if (sink != NULL)
        *done = sink(ctx, (struct bs_bytes){piece, (size_t)got}, err);
    bs_wipe(piece, (size_t)got);
    return true;
}

static enum bs_done
drain(struct bs_child *c,
      const struct bs_watch *watch,
      bs_child_sink sink,
      void *ctx,
      struct bs_err *err)
{
    bool out = true, say = true;
    enum bs_done done = BS_DONE;

    while (done == BS_DONE && (out || say)) {
        struct pollfd fds[3] = {{out ? c->out : -1, POLLIN, 0},
                                {say ? c->err : -1, POLLIN, 0},
                                {watch == NULL ? -1 : watch->wake[0], POLLIN, 0}};
        if (bs_watch_check(watch, err) != BS_DONE)
            return BS_FAILED;
        if (poll(fds, 3, watch == NULL ? 1000 : bs_watch_left_ms(watch, 1000)) <= 0)
            continue;
        if (fds[0].revents != 0)
            out = take_output(c, sink, ctx, &done, err);
        if (fds[1].revents != 0)
            say = listen_to(c);
    }
    return done;
}

/* Ends and reaps it; its wait status. */
static int
reap(struct bs_child *c)
{
    int status = -1;

    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    close(c->out);
    close(c->err);
    c->pid = 0;
    return status;
}

enum bs_done
bs_child_wait(struct bs_child *c,
              const struct bs_watch *watch,
              bs_child_sink sink,
              void *ctx,
              struct bs_err *err)
{
    enum bs_done done = drain(c, watch, sink, ctx, err);
    int status;

    if (done != BS_DONE) {
        bs_child_kill(c);
        return BS_FAILED;
    }
    status = reap(c);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return BS_DONE;
    c->said[strcspn(c->said, "\n")] = '\0';
    return bs_err_set(err, c->code, "%s",
                      c->n_said == 0 ? "the program failed without a word" : c->said);
}

void
bs_child_kill(struct bs_child *c)
{
    if (c->pid == 0)
        return;
    (void)kill(c->pid, SIGKILL);
    (void)reap(c);
}
