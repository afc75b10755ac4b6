// SPDX-License-Identifier: GPL-2.0-or-later
/* Looks at a booted root filesystem from within, beside its init, and tells what it is asked for (guest.h). */
#include "guest.h"

#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_LINE 8192
#define MAX_WORDS 64
#define MAX_VALUE (1 << 20)
#define CHUNK 2048
#define ESCAPED(size) (4 * (size) + 3)

static char line[MAX_LINE];

/* `safe` is one more byte that may stay as it is: values end a line, so that their blanks part nothing */
static char *escape(char *to, const char *from, size_t length, char safe)
{
	char *start = to;

	for (size_t place = 0; place < length; place++) {
		unsigned char byte = (unsigned char)from[place];

		if ((byte > ' ' && byte < 0x7f && byte != '\\') || byte == safe)
			*to++ = (char)byte;
		else
			to += sprintf(to, "\\x%02x", byte);
	}
	if (length == 0)
		to = stpcpy(to, "\\e");
	*to = '\0';
	return start;
}

/* In place: it only becomes shorter. */
static char *unescape(char *word)
{
	char *to = word;
	unsigned int byte;

	for (char *from = word; *from;) {
		if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			from += 4;
		} else if (from[0] == '\\' && from[1] == 'e') {
			from += 2;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return word;
}

static void tell_item(const char *id, const char *path, const char *value, size_t length)
{
	static char name[ESCAPED(4096)], text[ESCAPED(CHUNK)];

	escape(name, path, strnlen(path, 4096), '!');
	/* long values come in parts, which the host joins */
	do {
		size_t part = length < CHUNK ? length : CHUNK;

		say("item %s %s %s", id, name, escape(text, value, part, ' '));
		value += part;
		length -= part;
	} while (length > 0);
}

static void tell_error(const char *id, const char *path, int error)
{
	static char name[ESCAPED(4096)];

	say("error %s %s %d", id, escape(name, path, strnlen(path, 4096), '!'), error);
}

static void tell_content(const char *id, const char *path)
{
	static char value[MAX_VALUE];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t length = 0, got = -1;

	while (fd >= 0 && length < MAX_VALUE && (got = read(fd, value + length, (size_t)(MAX_VALUE - length))) > 0)
		length += got;
	if (got < 0 && length == 0)
		tell_error(id, path, errno);
	else
		tell_item(id, path, value, (size_t)length);
	if (fd >= 0)
		close(fd);
}

static void tell_link(const char *id, const char *path)
{
	char target[4096];
	ssize_t length = readlink(path, target, sizeof(target));

	if (length < 0)
		tell_error(id, path, errno);
	else
		tell_item(id, path, target, (size_t)length);
}

static void tell_status(const char *id, const char *path)
{
	struct stat status;
	char text[128];
	int length;

	if (stat(path, &status) != 0) {
		tell_error(id, path, errno);
		return;
	}
	length = snprintf(text, sizeof(text), "%o:%u:%u:%u:%u", status.st_mode, status.st_uid, status.st_gid,
			  major(status.st_rdev), minor(status.st_rdev));
	tell_item(id, path, text, (size_t)length);
}

static void tell_each(const char *id, char *pattern, void (*tell)(const char *, const char *))
{
	glob_t found;

	if (glob(pattern, GLOB_NOSORT | GLOB_BRACE, NULL, &found) == 0) {
		for (size_t number = 0; number < found.gl_pathc; number++)
			tell(id, found.gl_pathv[number]);
		globfree(&found);
	}
	say("end %s 0", id);
}

static void in_child(char **words, int output)
{
	int nothing = open("/dev/null", O_RDONLY);
	static char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "SYSTEMD_PAGER=", NULL,
	};

	setsid();
	dup2(nothing, 0);
	dup2(output, 1);
	dup2(output, 2);
	putenv(environment[0]);
	execvpe(words[0], words, environment);
	_exit(127);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* What it prints, until it has closed its output or the time is over; whether it was in time. */
static int pass_on(const char *id, int from, long long deadline)
{
	char part[CHUNK], text[ESCAPED(CHUNK)];

	for (;;) {
		struct pollfd source = { from, POLLIN, 0 };
		long long left = deadline - now_ms();
		ssize_t got;

		if (left <= 0 || poll(&source, 1, (int)left) == 0)
			return 0;
		got = read(from, part, sizeof(part));
		if (got <= 0)
			return 1;
		say("said %s %s", id, escape(text, part, (size_t)got, ' '));
	}
}

/* A program that leaves others behind holding its output counts as over with the end of its time. */
static void run(const char *id, int seconds, char **words)
{
	int ends[2], status = 0, in_time;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
		say("end %s 127", id);
		return;
	}
	if (child == 0)
		in_child(words, ends[1]);
	close(ends[1]);
	in_time = pass_on(id, ends[0], now_ms() + seconds * 1000LL);
	close(ends[0]);
	if (!in_time)
		kill(-child, SIGKILL);
	waitpid(child, &status, 0);
	if (!in_time)
		say("end %s -1", id);
	else
		say("end %s %d", id, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* The root's own way first; where that leads nowhere, the kernel's, once all is on the disk. */
static void restart(const char *id)
{
	static char *const words[] = { "reboot", NULL };

	say("end %s 0", id);
	if (fork() == 0)
		in_child((char **)words, open("/dev/null", O_WRONLY | O_CLOEXEC));
	sleep(60);
	sync();
	reboot(RB_AUTOBOOT);
}

static void obey(char *rest)
{
	char *words[MAX_WORDS + 1] = { NULL };
	int count = 0;

	for (char *word; count < MAX_WORDS && (word = strsep(&rest, " "));)
		words[count++] = unescape(word);
	if (count == 3 && strcmp(words[1], "read") == 0)
		tell_each(words[0], words[2], tell_content);
	else if (count == 3 && strcmp(words[1], "link") == 0)
		tell_each(words[0], words[2], tell_link);
	else if (count == 3 && strcmp(words[1], "stat") == 0)
		tell_each(words[0], words[2], tell_status);
	else if (count > 3 && strcmp(words[1], "run") == 0)
		run(words[0], atoi(words[2]), words + 3);
	else if (count == 2 && strcmp(words[1], "reboot") == 0)
		restart(words[0]);
	else
		say("end %s 127", count ? words[0] : "?");
}

void observe(void)
{
	while (read_line(line, sizeof(line)) == 0)
		obey(line);
	for (;;)
		pause();
}
