// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

int pair_answer(void);

int pair_answer(void)
{
	return 42;
}
EXPORT_SYMBOL_GPL(pair_answer);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Knows the answer");
