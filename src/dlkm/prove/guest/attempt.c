// SPDX-License-Identifier: GPL-2.0-or-later
/* One attempt: load what is needed, load what is asked about, tell what the kernel said, unload all of it. */
#include "guest.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define CANDIDATE "/candidate.ko"
#define LOADER_NAME "dlkm-loader" /* data/kernel-log.toml puts <comm> in its place */
#define UNLOAD_ROUNDS 8
#define QUIET_MS 20 /* the log is quiet when nothing comes for that long */
#define QUIET_ROUNDS 50
#define REFUSED 9 /* so many lines come for certain of those that the kernel says ten times in five seconds */
#define SILENCE_S 6

struct ending {
	int error;
	int signal;
	char accepted;
	char taint[64];
};

static int kernel_log = -1;

int load(const char *path, const char *parameters, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return errno;
	error = syscall(SYS_finit_module, fd, parameters, flags) == 0 ? 0 : errno;
	close(fd);
	return error;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return;
	write_all(fd, text, strlen(text));
	close(fd);
}

void prepare_attempts(void)
{
	put(TRACING "/events/module/module_load/enable", "1");
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	put("/proc/sys/kernel/printk_devkmsg", "on"); /* else it takes ten of the marks in five seconds */
	if (access(TRACING "/trace", F_OK) != 0)
		sleep(SILENCE_S); /* lockdown=confidentiality: it has said of each file that the trace is restricted */
}

/* A line too long for a record loses its end, and stays unseen until another record comes: here it is. */
static void mark_log(void)
{
	static const char mark[] = "<7>dlkm: so far\n";

	put("/dev/kmsg", mark);
}

int kernel_log_source(void)
{
	return kernel_log;
}

void pass_on_log(const char *attempt, int file)
{
	static char record[RECORD_SIZE];

	for (;;) {
		ssize_t length = read(kernel_log, record, sizeof(record) - 1);

		if (length < 0 && errno == EPIPE) {
			say("lost %s %d", attempt, file);
			continue;
		}
		if (length <= 0)
			return;
		record[length] = '\0';
		record[strcspn(record, "\n")] = '\0'; /* what follows are the record's KEY=value lines */
		say("log %s %d %s", attempt, file, record);
	}
}

void finish_log(const char *attempt, int file)
{
	mark_log();
	pass_on_log(attempt, file);
}

/* What a module that is needed logs after its init(), from a workqueue say, must not count as the next one's words. */
static void let_finish(const char *attempt, int file)
{
	struct pollfd source = { kernel_log, POLLIN, 0 };

	for (int round = 0; round < QUIET_ROUNDS; round++) {
		pass_on_log(attempt, file);
		if (poll(&source, 1, QUIET_MS) <= 0)
			return;
	}
}

static void in_child(int answer, const char *parameters, int flags)
{
	int error;

	prctl(PR_SET_NAME, LOADER_NAME);
	error = load(CANDIDATE, parameters, flags);
	write_all(answer, (const char *)&error, sizeof(error));
	_exit(0);
}

static void follow(const char *attempt, int file, int answer, struct ending *ending)
{
	struct pollfd sources[2] = { { answer, POLLIN, 0 }, { kernel_log, POLLIN, 0 } };

	do {
		poll(sources, 2, -1);
		pass_on_log(attempt, file);
	} while (!sources[0].revents);
	if (read(answer, &ending->error, sizeof(ending->error)) != sizeof(ending->error))
		ending->error = EIO;
}

/* In a process of its own, so that a crash in the module's init() leaves someone to tell of it. */
static void load_in_child(const char *attempt, int file, const char *parameters, int flags, struct ending *ending)
{
	int ends[2], status = 0;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		ending->error = errno;
		return;
	}
	if (child == 0)
		in_child(ends[1], parameters, flags);
	close(ends[1]);
	follow(attempt, file, ends[0], ending);
	close(ends[0]);
	waitpid(child, &status, 0);
	ending->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	finish_log(attempt, file);
}

/* The kernel traces module_load after its last check, right before it calls init(). */
static void look_at_trace(struct ending *ending)
{
	char text[4096];
	const char *event;
	int fd = open(TRACING "/trace", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	ending->accepted = '?';
	if (fd < 0)
		return;
	while (length < sizeof(text) - 1 && (got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	event = strstr(text, " module_load: ");
	ending->accepted = event ? '1' : '0';
	if (event)
		sscanf(event, " module_load: %*s %63[A-Z]", ending->taint);
}

static struct ending try_file(const char *attempt, int file, int number, const char *parameters, int flags)
{
	struct ending ending = { .taint = "-" };

	put(TRACING "/trace", "");
	ending.error = unpack_file(number, CANDIDATE);
	if (file > 0)
		let_finish(attempt, file - 1);
	if (!ending.error)
		load_in_child(attempt, file, parameters, flags, &ending);
	look_at_trace(&ending);
	unlink(CANDIDATE);
	say("result %s %d %d %d %c %s", attempt, file, ending.error, ending.signal, ending.accepted, ending.taint);
	return ending;
}

/* Newest first, as /proc/modules has them; in rounds, because one may hold another. */
static void unload_all(const char *attempt)
{
	static char text[1 << 16];

	for (int round = 1; round <= UNLOAD_ROUNDS; round++) {
		int fd = open("/proc/modules", O_RDONLY | O_CLOEXEC);
		ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		char *rest = text;

		if (fd >= 0)
			close(fd);
		if (length <= 0)
			break;
		text[length] = '\0';
		for (char *line; (line = strsep(&rest, "\n")) && *line;) {
			line[strcspn(line, " ")] = '\0';
			if (syscall(SYS_delete_module, line, O_NONBLOCK) != 0 && round == UNLOAD_ROUNDS)
				say("stays %s %s", attempt, line);
		}
	}
	say("clear %s", attempt);
}

void unhex(char *text)
{
	char *to = text;
	unsigned int byte;

	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		*to++ = (char)byte;
	*to = '\0';
}

/*
 * "ATTEMPT FLAGS =PARAMETERS FILE…", parameters in hexadecimal. The last file is the one asked about, those before it
 * are needed by it; when one of them fails, the kernel's answer to the last is what is asked for all the same, and
 * is waited for where so many failed that the kernel may have fallen silent (data/kernel-log.toml: limited).
 */
void try_attempt(char *words)
{
	char *attempt = strsep(&words, " ");
	char *flags = strsep(&words, " ");
	char *parameters = strsep(&words, " ");
	struct ending ending = { .error = ENOENT };
	int file = 0, refused = 0;

	if (!parameters)
		return;
	parameters++;
	unhex(parameters);
	lseek(kernel_log, 0, SEEK_END);
	say("try %s", attempt);
	for (char *word; (word = strsep(&words, " ")); file++) {
		int last = words == NULL;

		ending = try_file(attempt, file, atoi(word), last ? parameters : "", last ? atoi(flags) : 0);
		if (ending.signal)
			break;
		if (!last && ending.error && ++refused % REFUSED == 0)
			sleep(SILENCE_S);
	}
	if (!ending.error && !ending.signal)
		run_program(attempt, file - 1);
	unload_all(attempt);
}
