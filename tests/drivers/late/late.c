// SPDX-License-Identifier: GPL-2.0-or-later
/* Says something a moment after its init() has returned. */
#include <linux/module.h>
#include <linux/workqueue.h>

int late_number(void);

int late_number(void)
{
	return 1;
}
EXPORT_SYMBOL_GPL(late_number);

static void late_say(struct work_struct *work)
{
	pr_info("late: said late\n");
}

static DECLARE_DELAYED_WORK(late_work, late_say);

static int __init late_init(void)
{
	schedule_delayed_work(&late_work, msecs_to_jiffies(4));
	return 0;
}

static void __exit late_exit(void)
{
	cancel_delayed_work_sync(&late_work);
}

module_init(late_init);
module_exit(late_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Logs from a workqueue");
