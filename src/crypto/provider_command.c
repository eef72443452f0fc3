/*
 * provider_command.c
 *	  Root keys from a shell command's output.
 *
 * The command runs in a process group of its own, so that all of it can be
 * ended when it takes too long; its standard error goes where the server's
 * goes.  When the server starts nothing else runs that a wait could hold up; in
 * gdpr.reload_keys() it can be cancelled.
 */
#include "base/compat.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/guc.h"
#include "crypto/provider.h"
#include "miscadmin.h"

#define TIME_LIMIT_MS	  10000
#define LAST_INHERITED_FD 1024

static int64
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The child's side; only async-signal-safe calls, never returns. */
static void
run_child(const char *command, int out)
{
	sigset_t none;
	int null_fd = open("/dev/null", O_RDONLY);

	/* The postmaster blocks signals at this point and ignores some. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTTIN, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	setpgid(0, 0);
	dup2(null_fd, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	for (int fd = STDERR_FILENO + 1; fd < LAST_INHERITED_FD; fd++)
		close(fd);
	execl("/bin/sh", "sh", "-c", command, (char *) NULL);
	_exit(127);
}

/* A signal ends the wait in poll(); who called raises the error. */
static bool
is_interrupted(void)
{
	return IsUnderPostmaster && (QueryCancelPending || ProcDiePending);
}

/* Reads until the command closes its output. */
static const char *
collect(int fd, int64 deadline, char *buffer, size_t *length)
{
	*length = 0;
	for (;;)
	{
		struct pollfd wait_for = {.fd = fd, .events = POLLIN};
		int64 left = deadline - now_ms();
		ssize_t got;

		if (left <= 0)
			return "the command took longer than 10 seconds";
		if (is_interrupted())
			return "the wait for the command was ended";
		if (poll(&wait_for, 1, (int) left) <= 0)
			continue;
		if (*length == GDPR_PROVIDER_MAX)
			return "the command's output is too large for a list of root keys";
		got = read(fd, buffer + *length, GDPR_PROVIDER_MAX - *length);
		if (got == 0)
			return NULL;
		if (got > 0)
			*length += got;
		else if (errno != EINTR && errno != EAGAIN)
			return "the command's output cannot be read";
	}
}

/* Waits for the command's end. */
static const char *
finish(pid_t pid, int64 deadline, bool *ended)
{
	int status;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) != pid)
	{
		if (got < 0 && errno != EINTR)
			return "the command's exit status is lost";
		if (now_ms() >= deadline)
			return "the command took longer than 10 seconds";
		if (is_interrupted())
			return "the wait for the command was ended";
		poll(NULL, 0, 10);
	}
	*ended = true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	if (WIFEXITED(status))
		return psprintf("the command failed with exit status %d",
						WEXITSTATUS(status));
	return psprintf("the command was ended by signal %d", WTERMSIG(status));
}

static const char *
read_command(const char *command, char *buffer, size_t *length)
{
	int64 deadline = now_ms() + TIME_LIMIT_MS;
	const char *defect;
	bool ended = false;
	int pipe_fd[2];
	pid_t pid;

	if (pipe(pipe_fd) != 0)
		return "no pipe for the command's output";
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run_child(command, pipe_fd[1]);
	close(pipe_fd[1]);
	if (pid < 0)
	{
		close(pipe_fd[0]);
		return "the command cannot be started";
	}
	/* Also here: whichever of both processes comes first. */
	setpgid(pid, pid);

	defect = collect(pipe_fd[0], deadline, buffer, length);
	if (defect == NULL)
		defect = finish(pid, deadline, &ended);
	close(pipe_fd[0]);

	/* Whatever is left of it must not outlive the start. */
	kill(-pid, SIGKILL);
	while (!ended && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (defect == NULL && *length == 0)
		defect = "the command printed nothing";
	return defect;
}

const GdprProvider gdpr_provider_command = {
	.setting = "gdpr.root_key_command",
	.value = &gdpr_guc_root_key_command,
	.read = read_command,
};
