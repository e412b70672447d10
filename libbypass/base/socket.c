// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The UNIX socket at which a service waits for VMMs: who may connect, and what a service that was
 * killed has left.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/socket.h>

/* Remove the socket file of a service that was killed: nobody listens on the socket. */
static int remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, ret;

	if (lstat(addr->sun_path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return bypass_fail(EEXIST, "%s exists and is not a socket", addr->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return bypass_fail(errno, "cannot make a socket: %s", strerror(errno));
	ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? errno : 0;
	close(fd);
	if (ret != ECONNREFUSED)
		return bypass_fail(EADDRINUSE, "another service listens on %s: choose another path",
				   addr->sun_path);
	if (unlink(addr->sun_path))
		return bypass_fail(errno, "cannot remove the left-over socket %s: %s",
				   addr->sun_path, strerror(errno));
	return 0;
}

static int give_to_group(const char *path, const char *name)
{
	struct group *group = name ? getgrnam(name) : NULL;

	if (!name)
		return 0;
	if (!group)
		return bypass_fail(ENOENT, "there is no group '%s'", name);
	/* lchown: somebody may have replaced the socket by a link. */
	if (lchown(path, -1, group->gr_gid))
		return bypass_fail(errno, "cannot give %s to group %s: %s", path, name,
				   strerror(errno));
	return 0;
}

int bypass_socket_listen(const char *path, const char *group, int *fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int ret, sock;

	if (strlen(path) >= sizeof(addr.sun_path))
		return bypass_fail(ENAMETOOLONG, "%s is too long for a socket: %zu bytes at most",
				   path, sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, path);
	ret = remove_stale(&addr);
	if (ret < 0)
		return ret;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return bypass_fail(errno, "cannot make a socket: %s", strerror(errno));
	mask = umask(group ? 0117 : 0177);
	ret = bind(sock, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (ret) {
		ret = bypass_fail(errno, "cannot listen on %s: %s", path, strerror(errno));
		goto close;
	}
	if (listen(sock, 1))
		ret = bypass_fail(errno, "cannot listen on %s: %s", path, strerror(errno));
	else
		ret = give_to_group(path, group);
	if (!ret) {
		*fd = sock;
		return 0;
	}
	unlink(path);
close:
	close(sock);
	return ret;
}
