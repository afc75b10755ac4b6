// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

int pair_answer(void);

static int __init pair_front_init(void)
{
	return pair_answer() == 42 ? 0 : -EINVAL;
}
module_init(pair_front_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Asks for it");
