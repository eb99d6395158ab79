/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runtime.c - what a sanitizer's runtime in the program asks for: options that are the default, before
 * those of its variable, ASAN_OPTIONS or TSAN_OPTIONS.  A program that has such functions itself has
 * the first word.
 *
 * AddressSanitizer wants to be the first library, which here is a preloaded one.  ThreadSanitizer
 * sees what our libraries copy, but not what orders it.
 */
#include "hijack.h"

const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0";
}

const char *__tsan_default_options(void) __attribute__((visibility("default")));
const char *__tsan_default_options(void)
{
	return "ignore_noninstrumented_modules=1";
}
