/* A failing disk for fault injection: a library for LD_PRELOAD on Linux.

   It counts the operations that change files below a folder, over all processes that
   load it, and makes some of them fail. Nothing is counted before `failing_disk_arm`;
   processes with these environment variables are armed when they start.

     FAILING_DISK_FOLDER   an absolute path
     FAILING_DISK_STATE    a file: the count and the number of faults, 8 bytes each;
                           STATE.log beside it gets a line for each operation
     FAILING_DISK_AT       number of the first operation that fails, from 1; 0: none
     FAILING_DISK_ACTION   the action at this operation:
       enospc, eio   only this operation fails, with this error
       full          from here on nothing can be written or created (ENOSPC), as on a
                     full disk; operations that need no space succeed
       dead          from here on every operation fails (EIO)
       kill          a write is cut in half, then the process is killed (SIGKILL)

   Wrapping `write` is not enough, because C streams do not write through this symbol.
   Their buffered data is lost when they fail. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { NONE, ENOSPC_ONCE, EIO_ONCE, FULL, DEAD, KILL };
/* Whether an operation needs space on the disk. */
enum need { ROOM, NO_ROOM };

struct state {
  _Atomic uint64_t count, faults;
};

static char folder[PATH_MAX];
static size_t folder_length;
static struct state *state;
static uint64_t first;
static enum action action;
static int log_file = -1;

/* The function of this name in the C library. */
#define REAL(name)                                                \
  ({                                                              \
    static __typeof__(&name) real;                                \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    real;                                                         \
  })

void failing_disk_arm(void) {
  const char *path = getenv("FAILING_DISK_FOLDER"), *at = getenv("FAILING_DISK_AT");
  const char *name = getenv("FAILING_DISK_ACTION"), *shared = getenv("FAILING_DISK_STATE");
  if (!path || !at || !name || !shared) return;
  static const char *const names[] = {"none", "enospc", "eio", "full", "dead", "kill"};
  for (int i = NONE; i <= KILL; i++)
    if (!strcmp(name, names[i])) action = i;
  first = strtoull(at, NULL, 10);
  char log_name[PATH_MAX];
  snprintf(log_name, sizeof log_name, "%s.log", shared);
  int file = REAL(open)(shared, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || REAL(ftruncate)(file, sizeof(struct state))) abort();
  state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  log_file = REAL(open)(log_name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (state == MAP_FAILED || log_file < 0) abort();
  snprintf(folder, sizeof folder, "%s/", path);
  folder_length = strlen(folder);
}

__attribute__((constructor)) static void arm_at_start(void) { failing_disk_arm(); }

static int is_below(const char *path) {
  return folder_length && path && !strncmp(path, folder, folder_length);
}

/* The path of an open file, "" if there is none. */
static const char *path_of(int file, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length < 0 ? 0 : length] = 0;
  return path;
}

/* The path meant by the arguments of functions whose names end in `at`. */
static const char *path_at(int at, const char *path, char *full) {
  if (!path || path[0] == '/' || !folder_length) return path;
  if (at == AT_FDCWD) {
    if (!getcwd(full, PATH_MAX)) return path;
  } else {
    path_of(at, full);
  }
  size_t length = strlen(full);
  snprintf(full + length, PATH_MAX - length, "/%s", path);
  return full;
}

/* Counts an operation; returns its error, -1 for a kill, 0 for success. */
static int fault(const char *operation, const char *path, enum need need) {
  uint64_t number = ++state->count;
  char line[PATH_MAX + 64];
  int failing = 0;
  if (first && number >= first) switch (action) {
      case ENOSPC_ONCE: failing = number == first ? ENOSPC : 0; break;
      case EIO_ONCE: failing = number == first ? EIO : 0; break;
      case FULL: failing = need == ROOM ? ENOSPC : 0; break;
      case DEAD: failing = EIO; break;
      case KILL: failing = number == first ? -1 : 0; break;
      case NONE: break;
    }
  if (failing) state->faults++;
  int length = snprintf(line, sizeof line, "%s%s %s\n", failing ? "! " : "", operation,
                        path + folder_length);
  if (REAL(write)(log_file, line, length) != length) abort();
  return failing;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* For atomic operations: a kill comes before them. */
#define FAIL(operation, path, need, result)             \
  if (is_below(path)) {                                 \
    int error = fault(operation, path, need);           \
    if (error < 0) die();                               \
    if (error) {                                        \
      errno = error;                                    \
      return result;                                    \
    }                                                   \
  }

static int is_written(int file, char *path) {
  if (!folder_length) return 0;
  int flags = fcntl(file, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && is_below(path_of(file, path));
}

/* What is still to be written of `size` bytes at `data` when write number n fails:
   half of it, if the process is killed or the disk is full from here on. */
static size_t half(int error, size_t size) {
  int torn = error < 0 || (action == FULL && state->faults == 1);
  return torn ? size / 2 : 0;
}

/* Writing to descriptors. */

#define WRITE(name, parameters, part, whole)                   \
  ssize_t name parameters {                                    \
    char path[PATH_MAX];                                       \
    if (is_written(file, path)) {                              \
      int error = fault("write", path, ROOM);                  \
      if (error) {                                             \
        size_t half_size = half(error, size);                  \
        ssize_t written = half_size ? part : -1;               \
        if (error < 0) die();                                  \
        if (!half_size) errno = error;                         \
        return written;                                        \
      }                                                        \
    }                                                          \
    return whole;                                              \
  }

WRITE(write, (int file, const void *data, size_t size),
      REAL(write)(file, data, half_size), REAL(write)(file, data, size))
WRITE(pwrite, (int file, const void *data, size_t size, off_t offset),
      REAL(pwrite)(file, data, half_size, offset), REAL(pwrite)(file, data, size, offset))
WRITE(pwrite64, (int file, const void *data, size_t size, off64_t offset),
      REAL(pwrite64)(file, data, half_size, offset),
      REAL(pwrite64)(file, data, size, offset))

ssize_t writev(int file, const struct iovec *parts, int count) {
  char path[PATH_MAX];
  if (is_written(file, path)) FAIL("write", path, ROOM, -1)
  return REAL(writev)(file, parts, count);
}

#define COPY(name, parameters, arguments)                        \
  ssize_t name parameters {                                      \
    char path[PATH_MAX];                                         \
    if (is_written(target, path)) FAIL("write", path, ROOM, -1)  \
    return REAL(name) arguments;                                 \
  }

COPY(sendfile, (int target, int source, off_t *offset, size_t size),
     (target, source, offset, size))
COPY(sendfile64, (int target, int source, off64_t *offset, size_t size),
     (target, source, offset, size))
COPY(copy_file_range,
     (int source, off64_t *from, int target, off64_t *to, size_t size, unsigned flags),
     (source, from, target, to, size, flags))

/* Streams. Their buffered data is lost with the operation that fails. */

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
  char path[PATH_MAX];
  if (size && count && is_written(fileno(stream), path)) {
    int error = fault("write", path, ROOM);
    if (error) {
      size_t written = REAL(fwrite)(data, 1, half(error, size * count), stream);
      if (error < 0) {
        REAL(fflush)(stream);
        die();
      }
      errno = error;
      return size ? written / size : 0;
    }
  }
  return REAL(fwrite)(data, size, count, stream);
}

int fputs(const char *text, FILE *stream) {
  size_t size = strlen(text);
  return fwrite(text, 1, size, stream) == size ? 1 : EOF;
}

int fputc(int character, FILE *stream) {
  unsigned char byte = character;
  return fwrite(&byte, 1, 1, stream) == 1 ? byte : EOF;
}

/* The error of a stream that must flush its buffer. */
static int flush_fault(const char *operation, FILE *stream) {
  char path[PATH_MAX];
  if (!__fpending(stream) || !is_written(fileno(stream), path)) return 0;
  int error = fault(operation, path, ROOM);
  if (error < 0) die();
  if (error) __fpurge(stream);
  return error;
}

int fflush(FILE *stream) {
  int error = stream ? flush_fault("flush", stream) : 0;
  if (!error) return REAL(fflush)(stream);
  errno = error;
  return EOF;
}

int fclose(FILE *stream) {
  int error = flush_fault("close", stream);
  int result = REAL(fclose)(stream);
  if (!error) return result;
  errno = error;
  return EOF;
}

FILE *fopen(const char *path, const char *mode) {
  if (mode[0] != 'r') FAIL("create", path, ROOM, NULL)
  return REAL(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
  if (mode[0] != 'r') FAIL("create", path, ROOM, NULL)
  return REAL(fopen64)(path, mode);
}

/* Opening for writing. */

#define OPEN(name, parameters, last, path_, arguments)     \
  int name parameters {                                    \
    mode_t mode = 0;                                       \
    char full[PATH_MAX];                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                   \
      va_list more;                                        \
      va_start(more, last);                                \
      mode = va_arg(more, mode_t);                         \
      va_end(more);                                        \
    }                                                      \
    if (flags & O_CREAT) {                                 \
      const char *found = path_;                           \
      FAIL("create", found, ROOM, -1)                      \
    }                                                      \
    (void)full;                                            \
    return REAL(name) arguments;                           \
  }

OPEN(open, (const char *path, int flags, ...), flags, path_at(AT_FDCWD, path, full),
     (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), flags, path_at(AT_FDCWD, path, full),
     (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), flags, path_at(at, path, full),
     (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), flags,
     path_at(at, path, full), (at, path, flags, mode))

int creat(const char *path, mode_t mode) {
  return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* Names. */

#define ON_PATH(name, operation, need, parameters, at, path, arguments) \
  int name parameters {                                                 \
    char full[PATH_MAX];                                                \
    const char *found = path_at(at, path, full);                        \
    FAIL(operation, found, need, -1)                                    \
    return REAL(name) arguments;                                        \
  }

ON_PATH(mkdir, "mkdir", ROOM, (const char *path, mode_t mode), AT_FDCWD, path,
        (path, mode))
ON_PATH(mkdirat, "mkdir", ROOM, (int at, const char *path, mode_t mode), at, path,
        (at, path, mode))
ON_PATH(unlink, "unlink", NO_ROOM, (const char *path), AT_FDCWD, path, (path))
ON_PATH(unlinkat, "unlink", NO_ROOM, (int at, const char *path, int flags), at, path,
        (at, path, flags))
ON_PATH(rmdir, "unlink", NO_ROOM, (const char *path), AT_FDCWD, path, (path))
ON_PATH(remove, "unlink", NO_ROOM, (const char *path), AT_FDCWD, path, (path))
ON_PATH(rename, "rename", NO_ROOM, (const char *from, const char *path), AT_FDCWD, path,
        (from, path))
ON_PATH(renameat, "rename", NO_ROOM,
        (int from_at, const char *from, int at, const char *path), at, path,
        (from_at, from, at, path))
ON_PATH(renameat2, "rename", NO_ROOM,
        (int from_at, const char *from, int at, const char *path, unsigned flags), at,
        path, (from_at, from, at, path, flags))
ON_PATH(link, "rename", NO_ROOM, (const char *from, const char *path), AT_FDCWD, path,
        (from, path))
ON_PATH(linkat, "rename", NO_ROOM,
        (int from_at, const char *from, int at, const char *path, int flags), at, path,
        (from_at, from, at, path, flags))

/* Synchronization with the disk. */

#define ON_FILE(name, operation, need, parameters, arguments)      \
  int name parameters {                                            \
    char path[PATH_MAX];                                           \
    if (folder_length) {                                           \
      const char *found = path_of(file, path);                     \
      FAIL(operation, found, need, -1)                             \
    }                                                              \
    return REAL(name) arguments;                                   \
  }

ON_FILE(fsync, "fsync", NO_ROOM, (int file), (file))
ON_FILE(fdatasync, "fsync", NO_ROOM, (int file), (file))
ON_FILE(ftruncate, "write", ROOM, (int file, off_t size), (file, size))
ON_FILE(ftruncate64, "write", ROOM, (int file, off64_t size), (file, size))
