/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "netlib.h"
#include "netspec.h"

int netlib_load(const char *library, const char *package, const struct netlib_function *f,
    char *why)
{
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL), *address;

	if (!lib) {
		netspec_wrong(why, "%s is needed, from the package %s: %.150s", library, package,
		    dlerror());
		return -ENOENT;
	}
	for (; f->name; f++) {
		address = dlsym(lib, f->name);
		if (!address) {
			netspec_wrong(why, "%s has no %s; it is too old", library, f->name);
			return -ENOENT;
		}
		memcpy(f->address, &address, sizeof(address));
	}
	return 0;
}
