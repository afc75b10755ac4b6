// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

int adreno_generation(void);

static int __init kgsl_init(void)
{
	return adreno_generation() == 6 ? 0 : -ENODEV;
}
module_init(kgsl_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The other part");
