// Makes calls to the system fail, or kills the process there. Preloaded into `re` by the tests beside this folder.
//
// Calls on files below FAULT_UNDER whose name stands in FAULT_CALLS (" open write ") are numbered from 1. FAULT_DO says
// what happens at number FAULT_AT: `kill` ends the process as if the machine had stopped, after half of the bytes of a
// write; `eio` is one error; `enospc` is a disk that is full from then on. Each call is a line in FAULT_LOG.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *under, *calls, *action, *logged;
static long at;
static atomic_long number;

__attribute__((constructor)) static void begin(void) {
    under = getenv("FAULT_UNDER");
    calls = getenv("FAULT_CALLS");
    action = getenv("FAULT_DO");
    logged = getenv("FAULT_LOG");
    at = getenv("FAULT_AT") ? atol(getenv("FAULT_AT")) : 0;
}

// The path of a call in `place`: relative ones begin at the folder `fd`, and without a name it is `fd` itself.
static const char *path_of(char *place, int fd, const char *name) {
    place[0] = 0;
    if (name && (name[0] == '/' || fd == AT_FDCWD)) return name;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, place, PATH_MAX - 1);
    if (length < 0) length = 0;
    place[length] = 0;
    if (name && name[0]) snprintf(place + length, PATH_MAX - length, "/%s", name);
    return place;
}

static void say(const char *call, const char *path) {
    if (!logged) return;
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    int fd = syscall(SYS_openat, AT_FDCWD, logged, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
}

// What is to happen at a call: 0 nothing, -1 the process is to be killed, else the error.
static int fault(const char *call, const char *path) {
    if (!under || !calls || strncmp(path, under, strlen(under))) return 0;
    char listed[32];
    snprintf(listed, sizeof listed, " %s ", call);
    if (!strstr(calls, listed)) return 0;
    long now = atomic_fetch_add(&number, 1) + 1;
    say(call, path);
    if (!action || !at) return 0;
    if (!strcmp(action, "enospc")) return now >= at ? ENOSPC : 0;
    if (now != at) return 0;
    return strcmp(action, "kill") ? EIO : -1;
}

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); }

#define NEXT(type, name, ...) \
    static type (*next)(__VA_ARGS__); \
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, name)

// Leaves the function it stands in where the call fails.
#define CHECK(call, fd, name, failed) \
    do { \
        int saved = errno; \
        char place[PATH_MAX]; \
        int error = fault(call, path_of(place, fd, name)); \
        if (error < 0) die(); \
        if (error) return errno = error, failed; \
        errno = saved; \
    } while (0)

#define OPEN(function) \
    int function(const char *path, int flags, ...) { \
        NEXT(int, #function, const char *, int, mode_t); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        CHECK(flags & O_CREAT ? "create" : "open", AT_FDCWD, path, -1); \
        return next(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(function) \
    int function(int fd, const char *path, int flags, ...) { \
        NEXT(int, #function, int, const char *, int, mode_t); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        CHECK(flags & O_CREAT ? "create" : "open", fd, path, -1); \
        return next(fd, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *bytes, size_t count) {
    NEXT(ssize_t, "write", int, const void *, size_t);
    char place[PATH_MAX];
    int saved = errno, error = fault("write", path_of(place, fd, NULL));
    if (error < 0) {
        next(fd, bytes, count / 2);
        die();
    }
    if (error) return errno = error, -1;
    errno = saved;
    return next(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    NEXT(ssize_t, "writev", int, const struct iovec *, int);
    CHECK("write", fd, NULL, -1);
    return next(fd, parts, count);
}

ssize_t read(int fd, void *bytes, size_t count) {
    NEXT(ssize_t, "read", int, void *, size_t);
    CHECK("read", fd, NULL, -1);
    return next(fd, bytes, count);
}

int fsync(int fd) {
    NEXT(int, "fsync", int);
    CHECK("fsync", fd, NULL, -1);
    return next(fd);
}

int fdatasync(int fd) {
    NEXT(int, "fdatasync", int);
    CHECK("fsync", fd, NULL, -1);
    return next(fd);
}

int fchmod(int fd, mode_t mode) {
    NEXT(int, "fchmod", int, mode_t);
    CHECK("chmod", fd, NULL, -1);
    return next(fd, mode);
}

int chmod(const char *path, mode_t mode) {
    NEXT(int, "chmod", const char *, mode_t);
    CHECK("chmod", AT_FDCWD, path, -1);
    return next(path, mode);
}

int rename(const char *from, const char *to) {
    NEXT(int, "rename", const char *, const char *);
    CHECK("rename", AT_FDCWD, to, -1);
    return next(from, to);
}

int mkdir(const char *path, mode_t mode) {
    NEXT(int, "mkdir", const char *, mode_t);
    CHECK("mkdir", AT_FDCWD, path, -1);
    return next(path, mode);
}

int rmdir(const char *path) {
    NEXT(int, "rmdir", const char *);
    CHECK("unlink", AT_FDCWD, path, -1);
    return next(path);
}

int unlink(const char *path) {
    NEXT(int, "unlink", const char *);
    CHECK("unlink", AT_FDCWD, path, -1);
    return next(path);
}

int unlinkat(int fd, const char *path, int flags) {
    NEXT(int, "unlinkat", int, const char *, int);
    CHECK("unlink", fd, path, -1);
    return next(fd, path, flags);
}

int statx(int fd, const char *restrict path, int flags, unsigned mask, struct statx *restrict found) {
    NEXT(int, "statx", int, const char *, int, unsigned, struct statx *);
    CHECK("stat", fd, path, -1);
    return next(fd, path, flags, mask, found);
}

int stat64(const char *restrict path, struct stat64 *restrict found) {
    NEXT(int, "stat64", const char *, struct stat64 *);
    CHECK("stat", AT_FDCWD, path, -1);
    return next(path, found);
}

int lstat64(const char *restrict path, struct stat64 *restrict found) {
    NEXT(int, "lstat64", const char *, struct stat64 *);
    CHECK("stat", AT_FDCWD, path, -1);
    return next(path, found);
}

DIR *opendir(const char *path) {
    NEXT(DIR *, "opendir", const char *);
    CHECK("list", AT_FDCWD, path, NULL);
    return next(path);
}

struct dirent64 *readdir64(DIR *folder) {
    NEXT(struct dirent64 *, "readdir64", DIR *);
    CHECK("list", dirfd(folder), NULL, NULL);
    return next(folder);
}

char *realpath(const char *restrict path, char *restrict found) {
    NEXT(char *, "realpath", const char *, char *);
    CHECK("stat", AT_FDCWD, path, NULL);
    return next(path, found);
}
