// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's program: the first of a booted kernel. It answers on a serial port of its own (CHANNEL), one line an
 * answer; it judges nothing. It does one of two things.
 *
 * 1. It proves module loads, as the only program there is: it tries what the payload lists.
 * The host's half is prove/protocol.py; the payload is written by prove/payload.py.
 *
 *   guest: dlkm1 ready                        it has booted and waits; it may be saved and resumed here
 *   host:  go NONCE
 *   guest: NONCE payload ERRNO                0, or why the payload could not be read
 *          NONCE try ATTEMPT
 *          NONCE log ATTEMPT FILE RECORD      a record of /dev/kmsg as the kernel wrote it: no control characters
 *          NONCE lost ATTEMPT FILE            the kernel's log ran over: records are missing here
 *          NONCE result ATTEMPT FILE ERRNO SIGNAL ACCEPTED TAINT
 *          NONCE out ATTEMPT TEXT             a line that the attempt's program wrote: \xHH for what is no ASCII, and for '\'
 *          NONCE ran ATTEMPT ERRNO STATUS SIGNAL    how it ended; ERRNO is not 0 where it could not be started
 *          NONCE stays ATTEMPT MODULE         a module that could not be unloaded: this guest is not fresh any more
 *          NONCE clear ATTEMPT                everything was unloaded that can be
 *          NONCE done
 *
 * FILE counts the files of an attempt from 0, ERRNO is the system call's (0: loaded), SIGNAL what killed the loader
 * (0: nothing), ACCEPTED is 1 when the kernel took the module and called its init(), 0 when not, ? when it cannot be
 * seen, TAINT the module's own taint letters or '-'.
 *
 * 2. Where the initramfs holds ROOT_PLAN, it boots a root filesystem: it loads the drivers of the disk, mounts it, and
 * becomes its init; a child of it stays outside, looks, and tells what it is asked for.
 * The host's half is prove/rooted/observer.py; the plan is written by prove/rooted/initramfs.py.
 *
 *   guest: dlkm1 ready
 *   host:  go NONCE
 *   guest: NONCE driver NAME ERRNO            a driver of the disk did not load
 *          NONCE root ERRNO                   0: its init runs; else why not
 *   host:  ID read|link|stat GLOB, ID run SECONDS WORD…, ID reboot
 *   guest: NONCE item ID PATH VALUE           for each path that the glob matches: content, link text, MODE:UID:GID:DEV
 *          NONCE error ID PATH ERRNO          a path that could not be read
 *          NONCE said ID TEXT                 some of what the program printed
 *          NONCE end ID STATUS                that was all; STATUS is the program's, -1 for one that took too long
 *
 * In both directions a word's bytes other than printable ones are \xNN, and so are its backslashes and, but in VALUE
 * and TEXT, its blanks; an empty word is \e.
 */
#ifndef GUEST_H
#define GUEST_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing"
#define ROOT_PLAN "/plan"
#define RECORD_SIZE 16384 /* bytes; a record of /dev/kmsg is never longer than 8 KiB */

/* channel.c */
void open_channel(void);
void say_ready(void);
void wait_for_go(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void write_all(int fd, const char *data, size_t length);
int read_line(char *line, size_t size);

/* payload.c: each returns 0 or an errno */
int open_payload(char **index);
void add_file(const char *words);
int unpack_file(int number, const char *path);

/* attempt.c */
void prepare_attempts(void);
void try_attempt(char *words);
void unhex(char *text);
int kernel_log_source(void);
void pass_on_log(const char *attempt, int file);
void finish_log(const char *attempt, int file);

/* program.c */
void add_program(char *words);
void run_program(const char *attempt, int file);
int load(const char *path, const char *parameters, int flags);

/* root.c */
void boot_root(void) __attribute__((noreturn));

/* observe.c */
void observe(void) __attribute__((noreturn));

#endif
