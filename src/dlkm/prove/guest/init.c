// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's start: the machine's file systems, then the attempts. What is said and tried is in guest.h. */
#include "guest.h"

#include <sys/mount.h>
#include <sys/stat.h>

static void prepare_machine(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tracefs", TRACING, "tracefs", 0, NULL);
}

static void try_all(char *index)
{
	for (char *line; (line = strsep(&index, "\n"));) {
		if (strncmp(line, "file ", 5) == 0)
			add_file(line + 5);
		else if (strncmp(line, "run ", 4) == 0)
			add_program(line + 4);
		else if (strncmp(line, "try ", 4) == 0)
			try_attempt(line + 4);
	}
}

int main(void)
{
	char *index = NULL;
	int error;

	prepare_machine();
	if (access(ROOT_PLAN, F_OK) == 0)
		boot_root();
	prepare_attempts();
	open_channel();
	say_ready();
	wait_for_go();
	error = open_payload(&index);
	say("payload %d", error);
	if (!error)
		try_all(index);
	say("done");
	for (;;)
		pause();
}
