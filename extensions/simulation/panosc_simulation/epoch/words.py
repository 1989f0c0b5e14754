"""The words of EPOCH's input decks, 4.19, and which of them a run cannot do without.

From EPOCH's manual (https://epochpic.github.io) and its source's deck readers: facts, not code. Keys that need a
preprocessor flag at EPOCH's build are here, too.
"""

# ruff: noqa: SIM905  (lists of words read best as words)

from __future__ import annotations

_AXES = ("x", "y", "z")


def _each(*patterns: str) -> frozenset[str]:
    """Every pattern with each axis in place of ``*``."""
    return frozenset(pattern.replace("*", axis) for pattern in patterns for axis in _AXES)


_SIDES = _each("*_min", "*_max")

KEYS: dict[str, frozenset[str]] = {
    "control": _SIDES
    | _each("n*", "nproc*", "stretch_*")
    | frozenset(
        """npart nsteps t_end dt_multiplier dlb_threshold dlb_maximum_interval dlb_force_interval icfile restart_snapshot
        neutral_background field_order stdout_frequency use_random_seed smooth_currents smooth_iterations
        smooth_compensation smooth_strides field_ionisation use_multiphoton use_bsi particle_tstart use_migration
        migration_interval use_exact_restart allow_cpu_reduce check_stop_file_frequency stop_at_walltime
        stop_at_walltime_file simplify_deck print_constants allow_missing_restart print_eta_string n_zeros
        use_current_correction maxwell_solver use_particle_count_update use_accurate_n_zeros reset_walltime physics_table_location
        dlb_initial_threshold balance_first use_pre_balance use_optimal_layout use_more_setup_memory deck_warnings_fatal""".split()
    ),
    "boundaries": _each(
        "bc_*_min", "bc_*_max", "bc_*_min_field", "bc_*_max_field", "bc_*_min_particle", "bc_*_max_particle"
    )
    | frozenset("cpml_thickness cpml_kappa_max cpml_a_max cpml_sigma_max".split()),
    "laser": frozenset(
        """boundary direction amp intensity irradiance intensity_w_cm2 irradiance_w_cm2 lambda omega freq frequency pol_angle
        pol phase profile t_profile t_start t_end id use_phase_from_function use_profile_from_function""".split()
    ),
    "species": _each(
        "drift_*", "temp_*", "temp_*_ev", "temp_*_k", "temperature_*", "temperature_*_ev", "temperature_*_k"
    )
    | _each("bc_*_min", "bc_*_max", "drift_*_back", "temp_*_back", "temp_*_back_ev", "dist_fn_p*_range")
    | frozenset(
        """name mass charge fraction frac npart nparticles npart_per_cell nparticles_per_cell dump dumpmask tracer zero_current
        immobile identify number_density density rho mass_density density_min number_density_min minrho density_max
        number_density_max maxrho density_back number_density_back temp temp_ev temp_k temperature temperature_ev
        temperature_k temp_back temp_back_ev offset ionisation_energies ionisation_electron_species electron
        ionise ionise_limit unique_electron_species migrate promote_to demote_to promote_multiplier demote_multiplier
        promote_density demote_density dist_fn use_maxwell_juttner fractional_tail_cutoff meet_injectors atomic_no
        background_species make_secondary_list bc_type split""".split()
    ),
    "window": frozenset(
        """move_window window_v_x window_start_time window_stop_time bc_x_min_after_move bc_x_max_after_move
        bc_y_min_after_move bc_y_max_after_move bc_z_min_after_move bc_z_max_after_move xbc_left_after_move""".split()
    )
    | _each("xbc_*"),
    "fields": frozenset("ex ey ez bx by bz offset filename".split()),
    "collisions": frozenset(
        """use_collisions coulomb_log collide collisional_ionisation use_nanbu rel_cutoff n_coll_steps ci_n_step back_update_dt
        use_cold_correction cc_correction use_rel_cutoff""".split()
    ),
    "qed": frozenset(
        """use_qed qed_start_time produce_photons use_radiation_reaction photon_energy_min produce_pairs qed_table_location
        photon_dynamics use_qed_photons use_continuous_emission""".split()
    ),
    "bremsstrahlung": frozenset(
        """enable use_bremsstrahlung start_time produce_bremsstrahlung_photons photon_energy_min photon_weight photon_dynamics
        table_location use_plasma_screening use_radiation_reaction use_bremsstrahlung_photons""".split()
    ),
}
"""The keys of blocks that are known as a whole. Other blocks of `BLOCKS` take names of the person's own, or change often."""

BLOCKS = frozenset(KEYS) | frozenset(
    "constant deck_constant output output_global dist_fn probe subset injector particles_from_file antenna stencil part_from_file hybrid "
    "hy_laser solid k_alpha".split()
)
"""All blocks."""

BOUNDARIES = frozenset(
    """periodic simple_laser simple_outflow simple_outflow_no_field cpml_laser cpml_outflow reflect reflecting conduct
    conducting open thermal heat_bath mixed clamp zero_gradient""".split()
)
"""The kinds of boundaries."""
