// SPDX-License-Identifier: GPL-2.0-only
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>

int adreno_generation(void);

static const struct of_device_id kgsl_ids[] = { { .compatible = "qcom,kgsl-3d0" }, {} };
MODULE_DEVICE_TABLE(of, kgsl_ids);

static const struct file_operations kgsl_operations = { .owner = THIS_MODULE };
static struct miscdevice kgsl = { .minor = MISC_DYNAMIC_MINOR, .name = "kgsl-3d0", .fops = &kgsl_operations };

static int __init kgsl_init(void)
{
	return adreno_generation() == 6 ? misc_register(&kgsl) : -ENODEV;
}
module_init(kgsl_init);

static void __exit kgsl_exit(void)
{
	misc_deregister(&kgsl);
}
module_exit(kgsl_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The other part");
