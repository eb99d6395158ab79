# SPDX-License-Identifier: BSD-2-Clause
#
# Rump kernels for Linux.  `make help` lists the targets.
#
# Each directory has a fragment, DIR/Makefile.inc, which says what is built from
# it by the macros below; all paths are relative to the top.  Everything that is
# built lies under $(B), and is run from there: what `make install` puts into
# lib/ and bin/ has a symbolic link in $(B)/lib and $(B)/bin, so that one
# $ORIGIN-relative run path, and "../lib" seen from a program, are right in both.

MAKEFLAGS += -rR --no-print-directory
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.SECONDARY:
all:

# ---- what the user may set -----------------------------------------------------

PREFIX	?= /usr/local
LIBDIR	?= $(PREFIX)/lib
# Empty: programs and libraries find each other by the host's dynamic linker, not by where they lie.
RUNPATH	?= yes
LINKOPT	?=
DESTDIR	?=
KDEBUG	?=
SANITIZE ?=
V	?=

CC	= gcc
OPT	= -O2 -g $(if $(SANITIZE),,-fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wformat-security)

# What programs were linked with works with libraries of the same ABI: it goes up when a function
# goes away or changes its meaning (debian/*.symbols, tests/meta/t_abi).
ABI	:= 1
VERSION	:= $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
# musl: the client and the preload library for programs of that libc (tools/targets.mk)
LIBC	?=

# A debugging kernel and a sanitizer build have their own directory.
comma	:= ,
empty	:=
space	:= $(empty) $(empty)
O	:= build
B	:= $(O)$(if $(LIBC),/$(LIBC))$(if $(KDEBUG),/kdebug)$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))

# ---- flags ----------------------------------------------------------------------

CPPFLAGS = -Iinclude -I$(B)/include -D_GNU_SOURCE
CFLAGS	= $(OPT) -std=gnu11 -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror -fPIC -fvisibility=hidden $(SANFLAGS) $(CPPFLAGS)
ifeq ($(LIBC),musl)
# The kernel's headers are where libc's are, which are not to be found first.
CC	:= musl-gcc
CPPFLAGS += $(addprefix -idirafter ,/usr/include /usr/include/$(shell gcc -print-multiarch))
endif
LDFLAGS	= $(LINKOPT) -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,--as-needed $(SANFLAGS)
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer \
	$(if $(findstring thread,$(SANITIZE)),-Wno-tsan))
ifneq ($(SANITIZE),)
# The sanitizers' own functions are defined by the program only.  TSan does not see fences, and
# says so; where they matter, the words around them are atomic.
LDFLAGS	:= $(filter-out -Wl$(comma)-z$(comma)defs,$(LDFLAGS))
endif

Q	:= $(if $(V),,@)
say	= $(if $(V),,@printf '  %-7s %s\n' $1 $2;)

# ---- how a fragment declares things -----------------------------------------------
#
# $(call library,OUT,SRCS,LIBS,FLAGS)	a shared library that gets installed; programs need it as
#		NAME.so.$(ABI)
# $(call preload,OUT,SRCS,LIBS,FLAGS)	one that nobody links, so that its name has no version
# $(call shared,OUT,SRCS,LIBS,FLAGS)	one that does not (tests)
# $(call program,OUT,SRCS,LIBS,FLAGS)	a program
#	OUT	where, below $(B): hypercall/librumpuser.so, tools/rump
#	SRCS	*.c and *.S; hypercall/mem.c becomes $(B)/hypercall/mem.o;
#		generated ones are named with their $(B)/ in front
#	LIBS	libraries of ours that it links, by their OUT
#	FLAGS	further flags of the link: -lelf; a version script is
#		-Wl,--version-script=DIR/FILE.map (the link depends on it)
# $(call atf_c,OUT,SRCS,LIBS,FLAGS)	a test program in C: tests/DIR/t_NAME
# $(call atf_sh,OUT)			a test program in shell, from OUT.sh
# Appended to:
#	BIN, SBIN	programs to install, by their OUT
#	MAN		manual pages: tools/rump.1
#	HEADERS		public headers, installed as include/rump/NAME
#	GENHEADERS	generated headers, with their $(B)/; made before any object
#	ALL		anything else that `make` has to make, with its $(B)/
# Flags of one object: $(B)/hijack/raw.o: CFLAGS += -mgeneral-regs-only

BIN	:=
SBIN	:=
MAN	:=
HEADERS	:= $(wildcard include/rump/*.h)
GENHEADERS :=
ALL	:=
TESTS	:=
LIBRARIES :=
PRELOADS :=
OBJS	:=
SRCS	:=

outdir	= $(patsubst %/,%,$(dir $1))
objects	= $(patsubst %,$(B)/%.o,$(basename $(patsubst $(B)/%,%,$1)))
# $ORIGIN/../lib for a file one directory below $(B), and so on.
rpath	= $(if $(RUNPATH),-Wl$(comma)-rpath$(comma)'$$ORIGIN/$(subst $(space),/,$(patsubst %,..,$(subst /, ,$(call outdir,$1))))/lib')
scripts	= $(patsubst -Wl$(comma)--version-script=%,%,$(filter -Wl$(comma)--version-script=%,$1))
# Our libraries need each other: the linker looks for them here, not where a run path seems to point.
# Renamed into place: a program that runs from $(B) never meets half a library.
link	= $(CC) $(LDFLAGS) $3 -o $$@.new $(call objects,$2) $(addprefix $(B)/,$4) $5 $$(call rpath,$1) \
	-Wl,-rpath-link,$(B)/lib &&  mv -f $$@.new $$@

define link_rule
OBJS += $(call objects,$2)
SRCS += $2
$(B)/$1: $(call objects,$2) $(addprefix $(B)/,$4) $(call scripts,$5) | $(B)/$(dir $1) \
		$(foreach l,$4,$(B)/lib/$(call soname,$l))
	$(call say,LINK,$$@)$(call link,$1,$2,$3,$4,$5)
endef
# $2: the name that programs need it by, where that is another.
define library_lists
$(if $2,LIBRARIES,PRELOADS) += $1
ALL += $(B)/$1
$(foreach l,$(sort $(notdir $1) $2),$(eval $(call library_link,$(B)/lib/$l,../$1)))
endef
define library_link
ALL += $1
$1: | $(B)/lib/
	$(Q)ln -sfn $2 $$@
endef

soname	= $(notdir $1).$(ABI)
so_rule	= $(eval $(call link_rule,$1,$2,-shared -Wl$(comma)-soname$(comma)$5,$3,$4))
shared	= $(call so_rule,$1,$2,$3,$4,$(notdir $1))
library	= $(call so_rule,$1,$2,$3,$4,$(soname))$(eval $(call library_lists,$1,$(soname)))
preload	= $(shared)$(eval $(call library_lists,$1))
program	= $(eval $(call link_rule,$1,$2,,$3,$4))$(eval ALL += $(B)/$1)
atf_c	= $(eval $(call link_rule,$1,$2,,$3,-latf-c $4))$(eval TESTS += $1)
atf_sh	= $(eval TESTS += $1)$(eval $(call atf_sh_rule,$1))
define atf_sh_rule
$(B)/$1: $1.sh | $(B)/$(dir $1)
	$(Q){ echo '#!/usr/bin/atf-sh'; cat $$<; } >$$@ && chmod +x $$@
endef

FRAGMENTS := $(sort $(wildcard */Makefile.inc */*/Makefile.inc */*/*/Makefile.inc))
include $(filter-out $(O)/%,$(FRAGMENTS))

OBJS	:= $(sort $(OBJS))

# ---- rules ------------------------------------------------------------------------

# Objects depend on the flags that they were made with.
FLAGS	:= $(CC) $(CFLAGS)
ifneq ($(file <$(B)/.flags),$(FLAGS))
$(shell mkdir -p $(B))
$(file >$(B)/.flags,$(FLAGS))
endif
$(B)/.flags:
	$(file >$@,$(FLAGS))

compile	= $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.c $(B)/.flags | $(GENHEADERS) $$(@D)/
	$(call say,CC,$@)$(compile)
$(B)/%.o: %.S $(B)/.flags | $(GENHEADERS) $$(@D)/
	$(call say,AS,$@)$(compile)
$(B)/%.o: $(B)/%.c $(B)/.flags | $(GENHEADERS) $$(@D)/
	$(call say,CC,$@)$(compile)
$(B)/%/:
	$(Q)mkdir -p $@

$(addprefix $(B)/bin/,$(notdir $(BIN) $(SBIN))): $(B)/bin/%: | $(B)/bin/
	$(Q)ln -sfn ../$(filter %/$*,$(BIN) $(SBIN)) $@
ALL	+= $(addprefix $(B)/bin/,$(notdir $(BIN) $(SBIN)))

all: $(ALL)

-include $(OBJS:.o=.d)

# ---- targets for people -------------------------------------------------------------

include tools/targets.mk

.PHONY: all
