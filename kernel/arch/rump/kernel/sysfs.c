// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysfs.c - what of sysfs takes a tenth of the time to boot, and nobody looks at.
 *
 * The parameters of a module: for each one Linux takes away those that it has shown, and
 * shows them again with the new one.  Here the directory's files are made once, when the
 * parameters of another module come, or none any more.
 *
 * Slabs: the directories are there, but without SLUB_DEBUG not the thirty files of each, nor
 * their further names, of which one has a '/', so that nobody can read the directory.
 *
 * (The linker puts these functions in front of those of fs/sysfs: --wrap.)
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/string.h>
#include <linux/sysfs.h>

int __real_sysfs_create_group(struct kobject *kobj, const struct attribute_group *group);
int __wrap_sysfs_create_group(struct kobject *kobj, const struct attribute_group *group);
void __real_sysfs_remove_group(struct kobject *kobj, const struct attribute_group *group);
void __wrap_sysfs_remove_group(struct kobject *kobj, const struct attribute_group *group);
int __real_sysfs_create_link(struct kobject *kobj, struct kobject *target, const char *name);
int __wrap_sysfs_create_link(struct kobject *kobj, struct kobject *target, const char *name);

/* The module whose parameters are coming, while Linux boots: by one thread. */
static struct kobject *module;
static const struct attribute_group *parameters;

static void show_parameters(void)
{
	if (module && __real_sysfs_create_group(module, parameters))
		panic("rump: no memory for /sys/module");
	module = NULL;
}

static bool is_module_at_boot(struct kobject *kobj)
{
	return system_state < SYSTEM_RUNNING && module_kset && kobj->kset == module_kset;
}

static bool is_slab(struct kobject *kobj)
{
	return !IS_ENABLED(CONFIG_SLUB_DEBUG) && kobj->kset &&
	       !strcmp(kobject_name(&kobj->kset->kobj), "slab");
}

int __wrap_sysfs_create_group(struct kobject *kobj, const struct attribute_group *group)
{
	if (is_slab(kobj))
		return 0;
	if (!is_module_at_boot(kobj))
		return __real_sysfs_create_group(kobj, group);
	show_parameters();
	module = kobj;
	parameters = group;
	return 0;
}

void __wrap_sysfs_remove_group(struct kobject *kobj, const struct attribute_group *group)
{
	if (module && kobj == module)
		module = NULL;
	else
		__real_sysfs_remove_group(kobj, group);
}

int __wrap_sysfs_create_link(struct kobject *kobj, struct kobject *target, const char *name)
{
	return is_slab(target) ? 0 : __real_sysfs_create_link(kobj, target, name);
}

static int __init show_last_parameters(void)
{
	show_parameters();
	return 0;
}
late_initcall_sync(show_last_parameters);
