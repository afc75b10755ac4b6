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

void wait_for_go(void)
{
	char line[MAX_NONCE + 8];
	size_t length = 0;

	while (length < sizeof(line) - 1) {
		if (read(channel, line + length, 1) != 1)
			continue;
		if (line[length] == '\n')
			break;
		length++;
	}
	line[length] = '\0';
	if (length > 3 && length - 3 < sizeof(nonce))
		memcpy(nonce, line + 3, length - 2);
}
