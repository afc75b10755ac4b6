// SPDX-License-Identifier: GPL-2.0-or-later
/* Gives a symbol, and finds no device. */
#include <linux/module.h>

int judge_absent(void)
{
	return 6;
}
EXPORT_SYMBOL(judge_absent);

static int __init judge_absent_init(void)
{
	return -ENODEV;
}

module_init(judge_absent_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
