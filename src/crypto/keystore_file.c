/*
 * keystore_file.c
 *	  A keystore in a folder.
 *
 * The folder belongs to the server's user alone and lies outside of the data
 * directory, whose backups would take it along.  It needs a backup of its own,
 * of today's state only: a copy that keeps what was destroyed undoes that.
 *
 * An object is written beside the old one, flushed, and takes its place.  One
 * that is destroyed is overwritten and flushed before its name goes; a file
 * system or a disk that keeps old blocks keeps these too.
 */
#include "base/compat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guc.h"
#include "crypto/keystore.h"
#include "crypto/provider.h"
#include "miscadmin.h"
#include "storage/fd.h"

static const char *
check_folder(const char *path)
{
	char real[PATH_MAX];
	struct stat status;

	if (path[0] != '/')
		return "the path must be absolute";
	if (realpath(path, real) == NULL || stat(real, &status) != 0)
		return "the folder cannot be examined";
	if (!S_ISDIR(status.st_mode))
		return "it is not a folder";
	if (status.st_uid != geteuid())
		return "the folder is not owned by the server's user";
	if (status.st_mode & (S_IRWXG | S_IRWXO))
		return "the folder is accessible to group or others; its mode must be 0700";
	if (gdpr_provider_file_in_data_directory(real))
		return "the folder is inside the data directory or a tablespace, where backups would take the keys along";
	return NULL;
}

static char *
object_path(const char *folder, const char *name, const char *suffix)
{
	return psprintf("%s/%s%s", folder, name, suffix);
}

static const char *
read_all(int fd, StringInfo out)
{
	char buffer[8192];
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) != 0)
	{
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return "an object cannot be read";
		if (out->len + (size_t) got > GDPR_KEYSTORE_MAX)
			return "an object is too large";
		appendBinaryStringInfo(out, buffer, (int) got);
	}
	explicit_bzero(buffer, sizeof(buffer));
	return NULL;
}

static const char *
read_object(const char *folder, const char *name, StringInfo out)
{
	const char *defect = check_folder(folder);
	int fd;

	if (defect != NULL)
		return defect;
	fd = open(object_path(folder, name, ""), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? NULL : "an object cannot be opened";
	defect = read_all(fd, out);
	close(fd);
	return defect;
}

static bool
write_all(int fd, const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t done = write(fd, data, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		data += done;
		length -= done;
	}
	return pg_fsync_no_writethrough(fd) == 0;
}

/* So that a name stays, or stays away, whatever happens next. */
static bool
sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = fsync(fd) == 0;
	close(fd);
	return done;
}

static const char *
write_object(const char *folder, const char *name, const char *data,
			 size_t length)
{
	const char *defect = check_folder(folder);
	char *beside = object_path(folder, name, psprintf(".%d.new", MyProcPid));
	bool done;
	int fd;

	if (defect != NULL)
		return defect;
	(void) unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			  S_IRUSR | S_IWUSR);
	if (fd < 0)
		return "an object cannot be created";
	done = write_all(fd, data, length);
	close(fd);
	if (!done || rename(beside, object_path(folder, name, "")) != 0)
	{
		(void) unlink(beside);
		return "an object cannot be written";
	}
	if (!sync_folder(folder))
		return "the folder cannot be flushed to the disk";
	return NULL;
}

static bool
overwrite(int fd)
{
	struct stat status;
	char *zeroes;
	bool done;

	if (fstat(fd, &status) != 0)
		return false;
	zeroes = palloc0(status.st_size + 1);
	done = write_all(fd, zeroes, status.st_size);
	pfree(zeroes);
	return done;
}

static const char *
destroy_object(const char *folder, const char *name)
{
	const char *defect = check_folder(folder);
	char *path = object_path(folder, name, "");
	bool done;
	int fd;

	if (defect != NULL)
		return defect;
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? NULL : "an object cannot be opened";
	done = overwrite(fd);
	close(fd);
	if (!done || unlink(path) != 0 || !sync_folder(folder))
		return "an object cannot be destroyed";
	return NULL;
}

const GdprKeystore gdpr_keystore_file = {
	.setting = "gdpr.keystore_path",
	.value = &gdpr_guc_keystore_path,
	.read = read_object,
	.write = write_object,
	.destroy = destroy_object,
};
