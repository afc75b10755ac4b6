// SPDX-License-Identifier: GPL-2.0-or-later
/* A program that is run once an attempt's modules are loaded: unpacked, started, listened to, ended with all it left. */
#include "guest.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PROGRAM "/program"
#define BUSYBOX "/bin/busybox"
#define MAX_ARGUMENTS 64
#define MAX_LINE 1024 /* bytes; a longer one is told in parts */
#define ALL_ESCAPED (4 * MAX_LINE)
#define WAIT_MS 20

static struct {
	const char *attempt;
	int seconds;
	int file;
	int shell; /* -1 where none is needed */
	char *arguments[MAX_ARGUMENTS + 2];
} wanted;

static struct {
	char line[MAX_LINE];
	size_t length;
} heard;

/* "ATTEMPT SECONDS FILE SHELL =ARGUMENT…", arguments in hexadecimal; what it says is for the attempt that follows. */
void add_program(char *words)
{
	int count = 0;
	char *numbers[4];

	for (int number = 0; number < 4; number++)
		numbers[number] = strsep(&words, " ");
	if (!numbers[3])
		return;
	wanted.attempt = numbers[0];
	wanted.seconds = atoi(numbers[1]);
	wanted.file = atoi(numbers[2]);
	wanted.shell = numbers[3][0] == '-' ? -1 : atoi(numbers[3]);
	wanted.arguments[count++] = PROGRAM;
	for (char *word; (word = strsep(&words, " ")) && count <= MAX_ARGUMENTS;) {
		unhex(word + 1);
		wanted.arguments[count++] = word + 1;
	}
	wanted.arguments[count] = NULL;
}

static void tell_line(const char *attempt)
{
	char text[ALL_ESCAPED + 1];
	char *to = text;

	for (size_t at = 0; at < heard.length; at++) {
		unsigned char byte = (unsigned char)heard.line[at];

		if (byte >= ' ' && byte < 0x7f && byte != '\\')
			*to++ = (char)byte;
		else
			to += sprintf(to, "\\x%02x", byte);
	}
	*to = '\0';
	heard.length = 0;
	say("out %s %s", attempt, text);
}

/* What there is to hear now; 0 when nobody holds the other end any more. */
static int hear(const char *attempt, int from)
{
	char block[4096];
	ssize_t got;

	while ((got = read(from, block, sizeof(block))) > 0) {
		for (ssize_t at = 0; at < got; at++) {
			if (block[at] != '\n')
				heard.line[heard.length++] = block[at];
			if (block[at] == '\n' || heard.length == MAX_LINE)
				tell_line(attempt);
		}
	}
	return got != 0;
}

static void in_child(int mouth)
{
	static char *environment[] = { "PATH=/bin:/sbin", "HOME=/", NULL };
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	dup2(nothing, 0);
	dup2(mouth, 1);
	dup2(mouth, 2);
	alarm((unsigned int)wanted.seconds); /* it outlives exec */
	execve(PROGRAM, wanted.arguments, environment);
	dprintf(2, "cannot be run: %s\n", strerror(errno));
	_exit(126);
}

static int listen_to(const char *attempt, int file, pid_t child, int from)
{
	struct pollfd sources[2] = { { from, POLLIN, 0 }, { kernel_log_source(), POLLIN, 0 } };
	int status = 0;

	heard.length = 0;
	fcntl(from, F_SETFL, O_NONBLOCK);
	while (waitpid(child, &status, WNOHANG) != child) {
		poll(sources, 2, WAIT_MS);
		pass_on_log(attempt, file);
		if (sources[0].fd >= 0 && !hear(attempt, from))
			sources[0].fd = -1;
	}
	kill(-child, SIGKILL);
	hear(attempt, from);
	if (heard.length)
		tell_line(attempt);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	finish_log(attempt, file);
	return status;
}

static int install_shell(void)
{
	static int done;
	int error, status;
	pid_t child;

	if (done || wanted.shell < 0)
		return 0;
	mkdir("/bin", 0755);
	error = unpack_file(wanted.shell, BUSYBOX);
	if (error)
		return error;
	chmod(BUSYBOX, 0755);
	child = fork();
	if (child == 0) {
		execl(BUSYBOX, BUSYBOX, "--install", "-s", "/bin", (char *)NULL);
		_exit(126);
	}
	done = child > 0 && waitpid(child, &status, 0) == child && status == 0;
	return done ? 0 : ENOEXEC;
}

static int prepare(void)
{
	int error = install_shell();

	if (!error)
		error = unpack_file(wanted.file, PROGRAM);
	return error ? error : chmod(PROGRAM, 0755) ? errno : 0;
}

void run_program(const char *attempt, int file)
{
	int ends[2], status = 0, error;
	pid_t child;

	if (!wanted.attempt || strcmp(wanted.attempt, attempt) != 0)
		return;
	error = prepare();
	if (!error && pipe2(ends, O_CLOEXEC) < 0)
		error = errno;
	if (!error) {
		child = fork();
		if (child == 0)
			in_child(ends[1]);
		close(ends[1]);
		if (child > 0)
			status = listen_to(attempt, file, child, ends[0]);
		else
			error = errno;
		close(ends[0]);
	}
	unlink(PROGRAM);
	say("ran %s %d %d %d", attempt, error, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
	    WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}
