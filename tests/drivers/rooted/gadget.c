// SPDX-License-Identifier: GPL-2.0-or-later
/* Makes a device, and has a parameter of each common kind. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static char *label = "none";
module_param(label, charp, 0444);
static int count = 1;
module_param(count, int, 0444);
static bool loud;
module_param(loud, bool, 0444);
static int sizes[4];
static int size_count;
module_param_array(sizes, int, &size_count, 0444);
static int hidden;
module_param(hidden, int, 0);

static const struct file_operations gadget_operations = { .owner = THIS_MODULE };
static struct miscdevice gadget = { .minor = MISC_DYNAMIC_MINOR, .name = "gadget0", .fops = &gadget_operations };
module_misc_device(gadget);

MODULE_DESCRIPTION("A device for tests of udev rules");
MODULE_LICENSE("GPL");
