/*
 * provider_file.c
 *	  Root keys from a file.
 *
 * A key that lies in the data directory travels with every base backup, and
 * one that others can read protects nothing, so both are refused.
 */
#include "base/compat.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guc.h"
#include "crypto/provider.h"
#include "miscadmin.h"

/* Is the resolved path the resolved folder or below it? */
static bool
is_below(const char *path, const char *folder)
{
	char real[PATH_MAX];
	size_t length;

	if (realpath(folder, real) == NULL)
		return false;
	length = strlen(real);
	return strncmp(path, real, length) == 0 &&
		   (path[length] == '/' || path[length] == '\0');
}

/* Is it below a target of pg_tblspc's links? */
static bool
is_in_tablespace(const char *path)
{
	char link[MAXPGPATH];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(link, sizeof(link), "%s/pg_tblspc", DataDir);
	dir = opendir(link);
	if (dir == NULL)
		return false;
	while (!found && (entry = readdir(dir)) != NULL)
	{
		if (entry->d_name[0] == '.')
			continue;
		snprintf(link, sizeof(link), "%s/pg_tblspc/%s", DataDir, entry->d_name);
		found = is_below(path, link);
	}
	closedir(dir);
	return found;
}

bool
gdpr_provider_file_in_data_directory(const char *path)
{
	char wal[MAXPGPATH];

	snprintf(wal, sizeof(wal), "%s/pg_wal", DataDir);
	return is_below(path, DataDir) || is_below(path, wal) ||
		   is_in_tablespace(path);
}

static const char *
check_status(int fd)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return "the file cannot be examined";
	if (!S_ISREG(status.st_mode))
		return "it is not a regular file";
	if (status.st_uid != geteuid())
		return "the file is not owned by the server's user";
	if (status.st_mode & (S_IRWXG | S_IRWXO))
		return "the file is accessible to group or others; its mode must be 0600 or less";
	if (status.st_size == 0)
		return "the file is empty";
	if (status.st_size > GDPR_PROVIDER_MAX)
		return "the file is too large for a list of root keys";
	return NULL;
}

static const char *
read_all(int fd, char *buffer, size_t *length)
{
	ssize_t got;

	*length = 0;
	while (*length < GDPR_PROVIDER_MAX)
	{
		got = read(fd, buffer + *length, GDPR_PROVIDER_MAX - *length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return "the file cannot be read";
		if (got == 0)
			break;
		*length += got;
	}
	return NULL;
}

static const char *
read_file(const char *path, char *buffer, size_t *length)
{
	char real[PATH_MAX];
	const char *defect;
	int fd;

	if (path[0] != '/')
		return "the path must be absolute";
	if (realpath(path, real) == NULL)
		return errno == ENOENT ? "the file does not exist"
							   : "the path cannot be resolved";
	if (gdpr_provider_file_in_data_directory(real))
		return "the file is inside the data directory or a tablespace, where backups would take the key along";
	fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return "the file cannot be opened";
	defect = check_status(fd);
	if (defect == NULL)
		defect = read_all(fd, buffer, length);
	close(fd);
	return defect;
}

const GdprProvider gdpr_provider_file = {
	.setting = "gdpr.root_key_file",
	.value = &gdpr_guc_root_key_file,
	.read = read_file,
};
