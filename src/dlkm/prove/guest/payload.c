// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What to try: "dlkm1 LENGTH\n", LENGTH bytes of index lines, then the files' bytes.
 *
 * It comes from QEMU's fw_cfg device, which is no part of a saved guest's state, so that a resumed guest finds what was
 * given to the QEMU that resumes it. In pieces: the kernel's driver reads an item anew from its first byte for each
 * page. Kernels without that driver find it in the initramfs.
 */
#include "guest.h"

#define DRIVER "/qemu_fw_cfg.ko"
#define PIECE "/sys/firmware/qemu_fw_cfg/by_name/opt/dlkm/%d/raw"
#define GIVEN "/payload"
#define COPIED "/copied"
#define MAX_FILES 4096
#define MAX_INDEX (16 << 20)

struct file {
	off_t offset;
	off_t length;
};

static int payload = -1;
static off_t files_start;
static struct file files[MAX_FILES];
static int file_count;

/* From an open file to the end of another; a negative length means all there is. */
static int copy(int from, off_t offset, off_t length, int to)
{
	static char block[1 << 16];

	while (length != 0) {
		size_t wanted = length < 0 || length > (off_t)sizeof(block) ? sizeof(block) : (size_t)length;
		ssize_t got = pread(from, block, wanted, offset);

		if (got < 0)
			return errno;
		if (got == 0)
			return length < 0 ? 0 : EIO;
		if (write(to, block, (size_t)got) != got)
			return ENOSPC;
		offset += got;
		if (length > 0)
			length -= got;
	}
	return 0;
}

static int copy_pieces(int to)
{
	char path[128];
	int error = 0;

	for (int number = 0; !error; number++) {
		int from;

		snprintf(path, sizeof(path), PIECE, number);
		from = open(path, O_RDONLY | O_CLOEXEC);
		if (from < 0)
			return number ? 0 : errno;
		error = copy(from, 0, -1, to);
		close(from);
	}
	return error;
}

/* The driver is taken out again: attempts start with no module loaded. */
static int fetch(void)
{
	int error = load(DRIVER, "", 0);
	int to;

	if (error)
		return error;
	to = open(COPIED, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	error = to < 0 ? errno : copy_pieces(to);
	if (to >= 0)
		close(to);
	syscall(SYS_delete_module, "qemu_fw_cfg", O_NONBLOCK);
	return error;
}

static int read_index(char **index)
{
	char head[32];
	char *end;
	long length;
	ssize_t got = pread(payload, head, sizeof(head) - 1, 0);

	if (got <= 0)
		return EBADMSG;
	head[got] = '\0';
	if (strncmp(head, "dlkm1 ", 6) != 0)
		return EBADMSG;
	length = strtol(head + 6, &end, 10);
	if (*end != '\n' || length < 0 || length > MAX_INDEX)
		return EBADMSG;
	files_start = end + 1 - head + length;
	*index = malloc((size_t)length + 1);
	if (!*index)
		return ENOMEM;
	if (pread(payload, *index, (size_t)length, files_start - length) != length)
		return EBADMSG;
	(*index)[length] = '\0';
	return 0;
}

int open_payload(char **index)
{
	payload = open(GIVEN, O_RDONLY | O_CLOEXEC);
	if (payload < 0) {
		int error = fetch();

		if (error)
			return error;
		payload = open(COPIED, O_RDONLY | O_CLOEXEC);
		unlink(COPIED);
	}
	return payload < 0 ? errno : read_index(index);
}

/* "OFFSET LENGTH", counted from the end of the index */
void add_file(const char *words)
{
	long long offset, length;

	if (file_count >= MAX_FILES || sscanf(words, "%lld %lld", &offset, &length) != 2)
		return;
	files[file_count++] = (struct file){ files_start + offset, length };
}

int unpack_file(int number, const char *path)
{
	int to, error;

	if (number < 0 || number >= file_count)
		return EBADMSG;
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		return errno;
	error = copy(payload, files[number].offset, files[number].length, to);
	close(to);
	return error;
}
