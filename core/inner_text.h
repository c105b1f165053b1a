/*
 * inner_text.h - the description of a compartment (inner.h), and what it lets its hidden function
 * see of its owner.
 */
#ifndef TFAAS_CORE_INNER_TEXT_H
#define TFAAS_CORE_INNER_TEXT_H

#include "inner.h"

/* Fills a zeroed compartment with an owner: limits, package, environment, secrets, files. False:
 * *why names the line that is wrong. What it made is freed with the compartment either way. */
bool inner_text_read(struct compartment *compartment, const uint8_t *text, size_t size, char *why,
                     size_t why_size) TFAAS_MUST_USE;

#endif
