// SPDX-License-Identifier: GPL-2.0-only
/* The part of a graphics driver that would know the hardware. */

int adreno_generation(void);

int adreno_generation(void)
{
	return 6;
}
