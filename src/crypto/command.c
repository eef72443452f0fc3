/*
 * command.c
 *	  A shell command, run to its end.
 *
 * The command runs in a process group of its own, so that all of it can be
 * ended when it takes too long; its standard error goes where the server's
 * goes.  When the server starts nothing else runs that a wait could hold up; in
 * a session it can be cancelled.
 */
#include "base/compat.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/command.h"
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
run_child(const char *command, int in, int out)
{
	sigset_t none;

	/* The postmaster blocks signals at this point and ignores some. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTTIN, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	setpgid(0, 0);
	dup2(in, STDIN_FILENO);
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

/* The two ends of the talk, ours. */
typedef struct Talk
{
	int to; /* -1 once all is written */
	int from;
	const char *input;
	size_t left;
	size_t most;
	StringInfo output;
} Talk;

/* What it does not want to read it need not: the server ignores SIGPIPE. */
static void
send_some(Talk *talk)
{
	ssize_t sent = talk->left > 0 ? write(talk->to, talk->input, talk->left)
								  : 0;

	if (sent > 0)
	{
		talk->input += sent;
		talk->left -= sent;
	}
	if (talk->left == 0 || (sent < 0 && errno != EINTR && errno != EAGAIN))
	{
		close(talk->to);
		talk->to = -1;
	}
}

/* *done once the command has closed its output. */
static const char *
receive_some(Talk *talk, bool *done)
{
	char buffer[8192];
	ssize_t got = read(talk->from, buffer, sizeof(buffer));

	if (got == 0)
		*done = true;
	else if (got < 0 && errno != EINTR && errno != EAGAIN)
		return "the command's output cannot be read";
	else if (got > 0 && talk->output->len + (size_t) got > talk->most)
		return "the command's output is too large";
	else if (got > 0)
		appendBinaryStringInfo(talk->output, buffer, (int) got);
	explicit_bzero(buffer, sizeof(buffer));
	return NULL;
}

/* Writes and reads until the command closes its output. */
static const char *
converse(Talk *talk, int64 deadline)
{
	const char *defect = NULL;
	bool done = false;

	while (!done && defect == NULL)
	{
		struct pollfd wait_for[] = {
			{.fd = talk->from, .events = POLLIN},
			{.fd = talk->to, .events = POLLOUT},
		};
		int64 left = deadline - now_ms();

		if (left <= 0)
			return "the command took longer than 10 seconds";
		if (is_interrupted())
			return "the wait for the command was ended";
		if (poll(wait_for, 2, (int) left) <= 0)
			continue;
		if (talk->to >= 0 && wait_for[1].revents != 0)
			send_some(talk);
		if (wait_for[0].revents != 0)
			defect = receive_some(talk, &done);
	}
	return defect;
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

/* Starts it; the ends that are the command's are closed here. */
static pid_t
start(const char *command, Talk *talk)
{
	int in[2];
	int out[2];
	pid_t pid;

	if (pipe(in) != 0)
		return -1;
	if (pipe(out) != 0)
	{
		close(in[0]);
		close(in[1]);
		return -1;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run_child(command, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	talk->to = in[1];
	talk->from = out[0];
	(void) fcntl(talk->to, F_SETFL, O_NONBLOCK);
	/* Also here: whichever of both processes comes first. */
	if (pid > 0)
		setpgid(pid, pid);
	return pid;
}

const char *
gdpr_command_run(const char *command, const char *input, size_t input_length,
				 size_t most, StringInfo output)
{
	int64 deadline = now_ms() + TIME_LIMIT_MS;
	Talk talk = {
		.to = -1,
		.from = -1,
		.input = input,
		.left = input_length,
		.most = most,
		.output = output,
	};
	pid_t pid = start(command, &talk);
	const char *defect = "the command cannot be started";
	bool ended = false;

	if (pid > 0)
	{
		defect = converse(&talk, deadline);
		if (defect == NULL)
			defect = finish(pid, deadline, &ended);
	}
	if (talk.to >= 0)
		close(talk.to);
	if (talk.from >= 0)
		close(talk.from);

	/* Whatever is left of it must not outlive the call. */
	if (pid > 0)
		kill(-pid, SIGKILL);
	while (pid > 0 && !ended && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return defect;
}
