"""`lab doctor`: checks what is missing on this machine for a topology, before anything is built."""

from edge_lab.doctor.examine import doctor
from edge_lab.doctor.model import DoctorReport, HostCheck
from edge_lab.doctor.render import render_doctor

__all__ = ["DoctorReport", "HostCheck", "doctor", "render_doctor"]
