// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's mouth and ear: a serial port that nothing else writes to. */
#include "guest.h"

#include <stdarg.h>
#include <termios.h>

#define MAX_NONCE 64

static int channel = -1;
static char nonce[MAX_NONCE];

void write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t done = write(fd, data, length);

		if (done < 0 && errno != EINTR)
			return;
		if (done > 0) {
			data += done;
			length -= (size_t)done;
		}
	}
}

void say(const char *format, ...)
{
	static char line[RECORD_SIZE + MAX_NONCE + 64];
	va_list arguments;
	int length = snprintf(line, sizeof(line), "%s ", nonce);

	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, arguments);
	va_end(arguments);
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length++] = '\n';
	write_all(channel, line, (size_t)length);
}

void say_ready(void)
{
	write_all(channel, "dlkm1 ready\n", 12);
}

void open_channel(void)
{
	struct termios settings;

	/* a port on PCI may appear a moment after this program has started */
	for (int tries = 0; tries < 100; tries++) {
		channel = open(CHANNEL, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (channel >= 0 && tcgetattr(channel, &settings) == 0)
			break;
		if (channel >= 0)
			close(channel);
		usleep(50 * 1000);
	}
	cfmakeraw(&settings);
	settings.c_cflag |= CLOCAL | CREAD;
	cfsetspeed(&settings, B115200);
	tcsetattr(channel, TCSANOW, &settings);
}

/* A line of the host's, without its end; what is too long is cut. */
int read_line(char *line, size_t size)
{
	size_t length = 0;
	char byte;

	for (;;) {
		if (read(channel, &byte, 1) != 1) {
			if (errno == EIO) /* somebody has hung it up */
				return -1;
			continue;
		}
		if (byte == '\n')
			break;
		if (length < size - 1)
			line[length++] = byte;
	}
	line[length] = '\0';
	return 0;
}

void wait_for_go(void)
{
	char line[MAX_NONCE + 3];

	if (read_line(line, sizeof(line)) == 0 && strncmp(line, "go ", 3) == 0)
		snprintf(nonce, sizeof(nonce), "%s", line + 3);
}
