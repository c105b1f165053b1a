/* version.h - the version of everything built from this tree. */
#ifndef TFAAS_VERSION_H
#define TFAAS_VERSION_H

#define TFAAS_VERSION "0.1.0"

#endif
