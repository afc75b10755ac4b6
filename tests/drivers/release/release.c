// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init release_init(void)
{
	return 0;
}

static void __exit release_exit(void)
{
}

module_init(release_init);
module_exit(release_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
