// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the initramfs to a root filesystem on a disk, and on to its own init. ROOT_PLAN has a line each:
 *   load FILE     a driver, in this order; one that is there already is no error
 *   disk NAME     the device below /dev that holds it
 *   init PATH     tried in this order, as the kernel would
 */
#include "guest.h"

#include <sys/mount.h>
#include <sys/stat.h>

#define MAX_PLAN (1 << 16)
#define NEW_ROOT "/newroot"
#define DISK_TRIES 600 /* of 50 ms */
#define MAX_INITS 8

static char plan[MAX_PLAN];
static const char *disk = "";
static const char *inits[MAX_INITS];
static int init_count;

static void read_plan(void)
{
	int fd = open(ROOT_PLAN, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, plan, sizeof(plan) - 1);

	close(fd);
	plan[length > 0 ? length : 0] = '\0';
}

static void follow_plan(void)
{
	char *rest = plan;

	for (char *line; (line = strsep(&rest, "\n"));) {
		char *what = strchr(line, ' ');
		int error;

		if (!what)
			continue;
		*what++ = '\0';
		if (strcmp(line, "disk") == 0)
			disk = what;
		else if (strcmp(line, "init") == 0 && init_count < MAX_INITS)
			inits[init_count++] = what;
		else if (strcmp(line, "load") == 0 && (error = load(what, "", 0)) && error != EEXIST)
			say("driver %s %d", what, error);
	}
}

static int mount_disk(void)
{
	char path[256];
	int error = ENODEV;

	snprintf(path, sizeof(path), "/dev/%s", disk);
	mkdir(NEW_ROOT, 0755);
	for (int tries = 0; tries < DISK_TRIES; tries++) {
		if (mount(path, NEW_ROOT, "ext4", 0, NULL) == 0)
			return 0;
		error = errno;
		if (error != ENOENT && error != ENXIO)
			return error;
		usleep(50 * 1000);
	}
	return error;
}

static void hand_over(const char *from, const char *to)
{
	mkdir(to, 0755);
	if (mount(from, to, NULL, MS_MOVE, NULL) != 0)
		umount2(from, MNT_DETACH);
}

static void enter_root(void)
{
	hand_over("/dev", NEW_ROOT "/dev");
	hand_over("/proc", NEW_ROOT "/proc");
	hand_over("/sys", NEW_ROOT "/sys");
	if (chdir(NEW_ROOT) != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0)
		say("root %d", errno);
}

/* In the child: its own root is still the initramfs, below which the new one lies; its directory is the new one. */
static void stay_outside(int started)
{
	int error = 0;

	if (read(started, &error, sizeof(error)) > 0 || chroot(".") != 0) {
		say("root %d", error ? error : errno);
		for (;;)
			pause();
	}
	setsid();
	say("root 0");
	observe();
}

static void become_init(int started)
{
	int error;

	for (int number = 0; number < init_count; number++)
		execl(inits[number], inits[number], (char *)NULL);
	error = errno;
	write_all(started, (const char *)&error, sizeof(error));
	for (;;)
		pause();
}

void boot_root(void)
{
	int ends[2], error;

	prepare_attempts(); /* the trace of accepted modules goes on: /sys takes it along */
	open_channel();
	say_ready();
	wait_for_go();
	read_plan();
	follow_plan();
	error = mount_disk();
	if (error || chdir(NEW_ROOT) != 0 || pipe2(ends, O_CLOEXEC) != 0) {
		say("root %d", error ? error : errno);
		for (;;)
			pause();
	}
	if (fork() == 0) {
		close(ends[1]);
		stay_outside(ends[0]);
	}
	close(ends[0]);
	enter_root();
	become_init(ends[1]);
	for (;;)
		pause();
}
