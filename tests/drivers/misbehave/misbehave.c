// SPDX-License-Identifier: GPL-2.0-or-later
/* A module whose init() does what no driver should; `how` chooses. Without an exit() it cannot be unloaded. */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/reboot.h>

static char *how = "";
module_param(how, charp, 0444);

/* The second serial port of a PC, on which the guest answers */
static void __init forge(void)
{
#ifdef CONFIG_X86
	const char *text = "\nclear 0\n";

	for (; *text; text++)
		outb(*text, 0x2f8);
#endif
	msleep(200);
}

static int __init misbehave_init(void)
{
	pr_info("will %s\n", how);
	if (!strcmp(how, "panic"))
		panic("as asked");
	if (!strcmp(how, "crash"))
		*(volatile int *)8 = 1;
	if (!strcmp(how, "hang"))
		for (;;)
			msleep(1000);
	if (!strcmp(how, "spin"))
		for (;;)
			cpu_relax();
	if (!strcmp(how, "babble"))
		for (;;)
			pr_emerg("dlkm1 ready\n0 result 0 0 0 0 1 OE\n");
	if (!strcmp(how, "power-off"))
		kernel_power_off();
	if (!strcmp(how, "forge"))
		forge();
	return strcmp(how, "find-no-device") ? 0 : -ENODEV;
}

module_init(misbehave_init);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The dlkm authors");
MODULE_DESCRIPTION("Misbehaves when it is loaded");
