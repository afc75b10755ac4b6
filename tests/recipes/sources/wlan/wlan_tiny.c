// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <net/cfg80211.h>

static int __init wlan_tiny_init(void)
{
	return ieee80211_freq_khz_to_channel(2412000) == 1 ? 0 : -EINVAL;
}
module_init(wlan_tiny_init);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("Counts channels");
MODULE_FIRMWARE("wlan_tiny.bin");
