/*
 * skeleton.h - the smallest complete tender: it executes the core as it is and puts up no wall of
 * its own. It shows what a backend must do and passes the contract that every backend passes
 * (tests/unit/host/tender_contract.c); tfaasd does not link it.
 */
#ifndef TFAAS_HOST_TENDER_SKELETON_H
#define TFAAS_HOST_TENDER_SKELETON_H

#include "../tender.h"

/* Its probe always says what is missing; it starts only with allow_weaker_sandbox. */
extern const struct tender_ops tender_skeleton;

#endif
