// SPDX-License-Identifier: GPL-2.0-only
#include <linux/input.h>
#include <linux/module.h>

static bool swapped;
module_param(swapped, bool, 0444);

static int __init touch_tiny_init(void)
{
	return swapped ? input_ff_create_memless(NULL, NULL, NULL) : 0;
}
module_init(touch_tiny_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Touches nothing");
