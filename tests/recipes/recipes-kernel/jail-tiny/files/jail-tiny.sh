#!/bin/sh
exec modprobe one
