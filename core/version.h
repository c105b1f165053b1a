/*
 * version.h - the core's version, as READY and --version say it.
 */
#ifndef TFAAS_CORE_VERSION_H
#define TFAAS_CORE_VERSION_H

#define CORE_VERSION "0.1.0"

#endif
