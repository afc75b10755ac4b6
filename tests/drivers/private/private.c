// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>
#include "governor.h"

static int __init private_init(void)
{
	pr_info("%zu\n", sizeof(struct devfreq_governor));
	return 0;
}

static void __exit private_exit(void)
{
}

module_init(private_init);
module_exit(private_exit);
MODULE_DESCRIPTION("uses a header from inside the kernel");
MODULE_LICENSE("GPL");
