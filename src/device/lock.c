#include "device/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"
#include "os/say.h"

enum err lock_take(struct lock *lock, const char *path, struct why *why)
{
    int fd;

    CHECK(!lock_held(lock));
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return say(why, ERR_STORAGE, NULL, "cannot open the lock file %s: %s", path,
                   strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;

        (void)close(fd);
        if (reason == EWOULDBLOCK)
            return say(why, ERR_AGAIN, NULL, "busy: %s is locked by another program", path);
        return say(why, ERR_STORAGE, NULL, "cannot lock %s: %s", path, strerror(reason));
    }
    lock->fd = fd;
    return ERR_OK;
}

void lock_give(struct lock *lock)
{
    if (lock_held(lock))
        (void)close(lock->fd); /* the lock goes with the descriptor */
    *lock = LOCK_FREE;
}
